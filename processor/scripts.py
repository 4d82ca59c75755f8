"""The store's Lua scripts: one call for a whole batch or, in a cluster, for a hash tag's part of it."""

from typing import Final

from processor.store import Script

# Keys of days, then of clocks, then of marks. A day key's SET … NX GET answers nil where the key was free and is now
# ours; every other answer is what the key held before. A clock is set before it is compared, and set again to what it
# was if the change is stale: one command less where it is not. The rule is that of `traits.Clock.is_stale`: 8 bytes of
# timestamp, 4 of incarnation, 2 of partition, 6 of offset. Numbers, since Lua compares text by its locale. A mark only
# grows: a call that was given up may reach the server after a later one. Owners and clocks are one argument each, of
# equal parts: an argument costs its sender more than a part.
CLAIM: Final = Script("""\
local call, sub, unpack = redis.call, string.sub, struct.unpack
local function is_earlier(now, before)
  local a_topic, a_place, a_low = unpack('>I4I4I4', now, 9)
  local b_topic, b_place, b_low = unpack('>I4I4I4', before, 9)
  local a_backfill, b_backfill = a_place >= 0x80000000, b_place >= 0x80000000
  if a_backfill ~= b_backfill then return a_backfill end
  if a_topic ~= b_topic then return false end
  return a_place < b_place or (a_place == b_place and a_low < b_low)
end
local answers, day_s, clock_s, owners, clocks, mark = {}, ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local days, times = #owners / 12, #clocks / 20
for i = 1, days do
  answers[i] = call('SET', KEYS[i], sub(owners, i * 12 - 11, i * 12), 'NX', 'GET', 'EX', day_s)
end
for i = 1, times do
  local key, now = KEYS[days + i], sub(clocks, i * 20 - 19, i * 20)
  local before = call('SET', key, now, 'GET', 'EX', clock_s)
  if before then
    local a_ms, b_ms = unpack('>l', now), unpack('>l', before)
    if a_ms < b_ms or (a_ms == b_ms and is_earlier(now, before)) then call('SET', key, before, 'EX', clock_s) end
  end
  answers[days + i] = before
end
for i = days + times + 1, #KEYS do
  local before = call('GET', KEYS[i])
  if not before or unpack('>I6', before) < unpack('>I6', mark) then call('SET', KEYS[i], mark, 'EX', day_s) end
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
