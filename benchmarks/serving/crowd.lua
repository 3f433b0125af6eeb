-- Many callers who think a while between two requests, each for a time of its own: arrivals as of a crowd.
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*all")
file:close()
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local mean = tonumber(os.getenv("THINKING_MS"))

function delay()
  return math.floor(-mean * math.log(1 - math.random()) + 0.5)
end
