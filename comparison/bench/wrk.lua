-- Counts wrong statuses and bodies, and prints wrk's summary as one line of JSON.
-- EXPECTED is the only right body, in hexadecimal; empty: every body is right. CONNECTIONS is -c.

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  local hex = os.getenv("EXPECTED") or ""
  expected = hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
  wrong = 0
  statuses = 0
end

function response(status, headers, body)
  if status ~= 200 then
    statuses = statuses + 1
  elseif expected ~= "" and body ~= expected then
    wrong = wrong + 1
  end
end

-- wrk adds latencies that were not observed to every latency of at least twice the expected one
-- (stats_correct in its stats.c). Little's law is about those that were observed.
local function observed_mean(summary, latency)
  local per_connection = math.floor(summary.requests / tonumber(os.getenv("CONNECTIONS")))
  local values, counts = {}, {}
  for index = 1, #latency do
    local value, count = latency(index)
    values[index], counts[value] = value, count
  end
  if per_connection > 0 then
    local interval = math.floor(summary.duration / per_connection)
    for index = #values, 1, -1 do
      local added = values[index] - interval
      while values[index] >= 2 * interval and added > interval do
        counts[added] = counts[added] - counts[values[index]]
        added = added - interval
      end
    end
  end
  local sum, number = 0, 0
  for value, count in pairs(counts) do
    sum, number = sum + value * count, number + count
  end
  return number > 0 and sum / number or 0
end

function done(summary, latency, requests)
  local wrong, statuses = 0, 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    statuses = statuses + thread:get("statuses")
  end
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "microseconds": %d, "failures": %d, "statuses": %d, "wrong": %d,'
      .. ' "mean_latency": %f}',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout,
    statuses, wrong, observed_mean(summary, latency)))
end
