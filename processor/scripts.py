"""The store's Lua scripts: one call for a whole batch or, in a cluster, for a hash tag's part of it."""

from typing import Final

from processor.store import Script

# Keys of days, then of clocks, then of marks. A day key's SET … NX GET answers nil where the key was free and is now
# ours; every other answer is what the key held before. Clocks have the rule of `traits.Clock.is_stale`: 8 bytes of
# timestamp, 4 of incarnation, 2 of partition, 6 of offset. Numbers, since Lua compares text by its locale. A mark only
# grows: a call that was given up may reach the server after a later one.
CLAIM: Final = Script("""\
local function is_stale(now, before)
  local a_ms, a_topic, a_place, a_low = struct.unpack('>lI4I4I4', now)
  local b_ms, b_topic, b_place, b_low = struct.unpack('>lI4I4I4', before)
  if a_ms ~= b_ms then return a_ms < b_ms end
  local a_backfill, b_backfill = a_place >= 0x80000000, b_place >= 0x80000000
  if a_backfill ~= b_backfill then return a_backfill end
  if a_topic ~= b_topic then return false end
  return a_place < b_place or (a_place == b_place and a_low < b_low)
end
local answers, days, times = {}, tonumber(ARGV[3]), tonumber(ARGV[4])
for i = 1, days do
  answers[i] = redis.call('SET', KEYS[i], ARGV[i + 4], 'NX', 'GET', 'EX', ARGV[1])
end
for i = days + 1, days + times do
  local before, now = redis.call('GET', KEYS[i]), ARGV[i + 4]
  if not before or not is_stale(now, before) then redis.call('SET', KEYS[i], now, 'EX', ARGV[2]) end
  answers[i] = before
end
for i = days + times + 1, #KEYS do
  local before, now = redis.call('GET', KEYS[i]), ARGV[i + 4]
  if not before or struct.unpack('>I6', before) < struct.unpack('>I6', now) then
    redis.call('SET', KEYS[i], now, 'EX', ARGV[1])
  end
  answers[i] = before
end
return answers
""")

# Asked once, before the first claim: makes the store's identity (the first key) if it has none, and changes it from one
# to another. The other key is of the other kind, and on one server of another slot: a node of a cluster, rights to half
# of the keys and a Redis before 7, which knows no NX beside GET, refuse this as they would refuse some later call.
IDENTIFY: Final = Script("""\
local before = redis.call('SET', KEYS[1], ARGV[1], 'NX', 'GET')
if before == ARGV[2] then redis.call('SET', KEYS[1], ARGV[1]) end
return {before, redis.call('GET', KEYS[2])}
""")

READ: Final = Script("""\
local found = {}
for i = 1, #KEYS do found[i] = redis.call('GET', KEYS[i]) end
return found
""")
