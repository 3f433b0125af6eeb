-- Script of wrk: sends the requests of a folder in turn and checks every answer.
-- BODIES is a folder with 1.json, 2.json, ...; WANTED is a file with a line for each value that a valid answer may have
-- after MARK (a Lua pattern with one capture, a number; compared to five decimals) or, without MARK, anywhere in it.
local threads = {}
function setup(thread) table.insert(threads, thread) end

function init()
  requests, wanted, texts, number = {}, {}, {}, 0
  bad, checked, first = 0, 0, ""
  mark = os.getenv("MARK")
  local place = 1
  while true do
    local file = io.open(os.getenv("BODIES") .. "/" .. place .. ".json", "rb")
    if not file then break end
    requests[place] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, file:read("*all"))
    file:close()
    place = place + 1
  end
  for line in io.lines(os.getenv("WANTED")) do
    texts[#texts + 1] = line
    if mark then
      -- a float32's last digit may round either way
      local step = math.floor(tonumber(line) * 1e5 + 0.5)
      for near = step - 1, step + 1 do wanted[near] = true end
    end
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function response(status, headers, body)
  checked = checked + 1
  local sound = false
  if status == 200 then
    if mark then
      local value = tonumber(body:match(mark))
      sound = value ~= nil and wanted[math.floor(value * 1e5 + 0.5)] == true
    else
      for _, text in ipairs(texts) do sound = sound or body:find(text, 1, true) ~= nil end
    end
  end
  if not sound then
    bad = bad + 1
    if first == "" then first = status .. " " .. body:sub(1, 200) end
  end
end

function done(summary, latency, _)
  local bad, checked, first = 0, 0, ""
  for _, thread in ipairs(threads) do
    bad, checked = bad + thread:get("bad"), checked + thread:get("checked")
    if first == "" then first = thread:get("first") end
  end
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, checked, bad,
    e.connect + e.read + e.write + e.timeout))
  io.write("FIRST " .. first .. "\n")
end
