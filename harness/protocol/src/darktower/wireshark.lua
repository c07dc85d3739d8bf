local BIDIRECTIONAL, UNIDIRECTIONAL = 0x41, 0x54
local STREAM_HEADER, FRAME = protocol.form_named["STREAM-HEADER"], protocol.form_named.FRAME

local function offset_of(form, key)
  for _, field in ipairs(form.fields) do
    if field.key == key then
      return field.offset
    end
  end
end

local PAYLOAD_LENGTH = offset_of(FRAME, "payload_length")

--- Four bytes, big-endian.
local function u32(bytes, place)
  local a, b, c, d = bytes:byte(place, place + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

--- The bytes by which WebTransport says of which session a stream is: `false` if it is of none, `nil` if they
--- are not all there.
local function session_header(way)
  local kind, length = varint(way.bytes)
  if not kind then
    return nil
  end
  if kind ~= (way.shared.is_two_way and BIDIRECTIONAL or UNIDIRECTIONAL) then
    return false
  end
  local session, more = varint(way.bytes:sub(length + 1))
  if not session then
    return nil
  end
  way:take(length + more)
  return true
end

--- Signaling: each message stands behind its length.
local function read_messages(way, emit, envelope)
  while way:peek(4) do
    local length = u32(way.bytes, 1)
    if #way.bytes < 4 + length then
      return
    end
    way:take(4)
    emit(protocol.name_of(envelope, way:peek(length)), way:take(length), envelope)
  end
end

--- Media: a header of the stream, and frames.
local function read_media(way, emit)
  if not way.has_header then
    local header = way:take(STREAM_HEADER.length)
    if not header then
      return
    end
    way.has_header = true
    emit(STREAM_HEADER.name, header)
  end
  while way:peek(FRAME.length) do
    local length = FRAME.length + u32(way.bytes, PAYLOAD_LENGTH + 1)
    local frame = way:take(length)
    if not frame then
      return
    end
    emit(FRAME.name, frame)
  end
end

function protocol.read(way, emit)
  local shared = way.shared
  if shared.is_session == nil and way.by == shared.opener then
    shared.is_session = session_header(way)
  end
  if not shared.is_session then
    return
  end
  local envelopes = protocol.tables.envelopes
  if shared.is_two_way then
    return read_messages(way, emit, envelopes.signaling[way.by])
  end
  if way:peek(4) then
    way.is_media = way.is_media or way:peek(4) == STREAM_HEADER.start
    if way.is_media then
      return read_media(way, emit)
    end
    read_messages(way, emit, envelopes.media[way.by])
  end
end

--- A datagram: a quarter of the session's id, and a frame of media or a message without its length.
function protocol.read_datagram(bytes, emit)
  local _, length = varint(bytes)
  local rest = length and bytes:sub(length + 1) or ""
  if rest:byte(1) == FRAME.version and #rest >= FRAME.length then
    emit(FRAME.name, rest)
  end
end

--- A number of protobuf, which may have 64 bits, and the place behind it.
local function base_128(bytes, place)
  local value, shift = UInt64.new(0), 0
  while true do
    local byte = bytes:byte(place)
    if not byte or shift > 63 then
      return nil
    end
    value = value:bor(UInt64.new(byte % 128):lshift(shift))
    place, shift = place + 1, shift + 7
    if byte < 128 then
      return value, place
    end
  end
end

--- The fields of a message: number, where the value begins and ends, and the value if it is a number. `nil`
--- behind the last, and where bytes are no protobuf.
local function fields_of(bytes)
  local place = 1
  return function()
    local key, after = base_128(bytes, place)
    if not key then
      return nil
    end
    local kind, number = key:tonumber() % 8, math.floor(key:tonumber() / 8)
    local value, first, last
    if kind == 0 then
      value, last = base_128(bytes, after)
      first, last = after, last and last - 1
    elseif kind == 2 then
      local length, begins = base_128(bytes, after)
      first, last = begins, length and begins + length:tonumber() - 1
    else
      local length = ({ [1] = 8, [5] = 4 })[kind]
      first, last = after, length and after + length - 1
    end
    if not last or last > #bytes then
      return nil
    end
    place = last + 1
    return number, first, last, value
  end
end

--- What an envelope holds: the name of the message in its oneof, or its own.
function protocol.name_of(envelope, bytes)
  local fields = protocol.tables.messages[envelope]
  if not protocol.tables.envelopes.oneof[envelope] then
    return envelope
  end
  for number in fields_of(bytes) do
    if fields[number] then
      return fields[number].message
    end
  end
  return envelope
end

local function show(name, tvb, first, length, item)
  local bytes = tvb:raw(first, length)
  for number, from, to, value in fields_of(bytes) do
    local field = (protocol.tables.messages[name] or {})[number]
    local start, size = first + from - 1, to - from + 1
    if field then
      local shown = protocol.fields[name .. "." .. field.name]
      local range = size > 0 and tvb(start, size) or nil
      if field.kind == "message" then
        local inner = range and item:add(shown, range) or item:add(shown)
        show(field.message, tvb, start, size, inner)
      elseif field.kind == "named" then
        local number_of_it = value and value:tonumber()
        item:add(shown, range, field.names[number_of_it] or tostring(value))
      elseif field.kind == "bool" then
        item:add(shown, range, value:tonumber() ~= 0)
      elseif value then
        item:add(shown, range, value)
      elseif field.kind == "float" then
        item:add_le(shown, range)
      elseif not range then
        item:add(shown)
      elseif field.kind == "utf8" then
        item:add(shown, range, range:string(ENC_UTF_8))
      else
        item:add(shown, range)
      end
    end
  end
end

function protocol.show_message(it, tvb, tree)
  local item = tree:add(protocol.proto, tvb(), protocol.id .. ": " .. it.frame)
  item:add(protocol.fields.frame, tvb(), it.frame)
  local name, first, length = it.message, 0, tvb:len()
  if name ~= it.frame then
    for _, from, to in fields_of(it.bytes) do
      first, length = from - 1, to - from + 1
    end
    name = it.frame
  end
  show(name, tvb, first, length, item)
end
