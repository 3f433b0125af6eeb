-- Many callers, each of which waits for a random time between two requests.
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*all")
file:close()
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local mean = tonumber(os.getenv("THINKING_MS"))

function delay()
  return math.floor(-mean * math.log(1 - math.random()) + 0.5)
end
