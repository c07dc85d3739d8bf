-- What follows is the same for all protocols.

--- The bytes of a string as a Tvb.
local function tvb_of(bytes, name)
  return ByteArray.new(bytes, true):tvb(name)
end

local NUMBERS = { u8 = true, u16 = true, u32 = true, u64 = true }

--- The kind of field that a key has, by how it stands on the wire.
local function proto_field(abbreviation, name, kind)
  if NUMBERS[kind] then
    return ProtoField.uint64(abbreviation, name)
  elseif kind == "uuid" then
    return ProtoField.guid(abbreviation, name)
  elseif kind == "text" or kind == "utf8" or kind == "named" then
    return ProtoField.string(abbreviation, name)
  elseif kind == "bool" then
    return ProtoField.bool(abbreviation, name)
  elseif kind == "float" then
    return ProtoField.float(abbreviation, name)
  elseif kind == "message" then
    return ProtoField.none(abbreviation, name)
  end
  return ProtoField.bytes(abbreviation, name)
end

--- Makes the dissector's fields of a protocol's tables.
local function declare(protocol)
  local proto = Proto(protocol.id, protocol.summary)
  local fields, listed = {}, {}
  local function add(key, name, kind)
    if not fields[key] then
      fields[key] = proto_field(protocol.id .. "." .. key, name, kind)
      listed[#listed + 1] = fields[key]
    end
  end
  add("frame", "Frame", "text")
  for _, form in ipairs(protocol.forms) do
    form.start = string.char(table.unpack(form.start))
    for _, field in ipairs(form.fields) do
      add(field.key, field.name, field.kind)
      if field.key == "version" then
        form.version_at = field.offset
      end
      if field.kind == "tlvs" then
        add("tlv.type", "Type", "u16")
        add("tlv.value", "Value", "bytes")
      end
    end
    for _, bit in ipairs(form.bits) do
      add(bit.key, bit.key, "bool")
    end
    for _, extension in ipairs(form.extensions) do
      add(extension.key, extension.name, extension.kind)
    end
  end
  for name, message in pairs(protocol.tables.messages or {}) do
    for _, field in pairs(message) do
      add(name .. "." .. field.name, field.name, field.kind)
    end
  end
  proto.fields = listed
  local malformed = ProtoExpert.new(
    protocol.id .. ".malformed", "Malformed", expert.group.MALFORMED, expert.severity.ERROR)
  proto.experts = { malformed }
  protocol.proto, protocol.fields, protocol.malformed = proto, fields, malformed
end

--- Adds a field of the tree by how it stands on the wire.
local function add_field(item, field, kind, little, range)
  if kind == "text" then
    -- Up to the first NUL, if there is one.
    return item:add(field, range, (range:string(ENC_UTF_8):gsub("%z.*", "")))
  elseif kind == "utf8" then
    return item:add(field, range, range:string(ENC_UTF_8))
  elseif NUMBERS[kind] and little then
    return item:add_le(field, range)
  end
  return item:add(field, range)
end

--- Extensions: Type and Length, two bytes each, little-endian, and a Value.
local function show_tlvs(protocol, form, range, item)
  local offset = 0
  while offset < range:len() do
    local left = range:len() - offset
    local length = left >= 4 and range(offset + 2, 2):le_uint()
    if not length or length > left - 4 then
      item:add_proto_expert_info(protocol.malformed, "An extension is cut")
      return
    end
    local kind, known = range(offset, 2):le_uint(), nil
    for _, extension in ipairs(form.extensions) do
      known = extension.type == kind and extension or known
    end
    local tlv = item:add(range(offset, 4 + length), known and known.name or "Extension " .. kind)
    tlv:add_le(protocol.fields["tlv.type"], range(offset, 2))
    if length > 0 then
      local value = range(offset + 4, length)
      if known then
        add_field(tlv, protocol.fields[known.key], known.kind, true, value)
      else
        tlv:add(protocol.fields["tlv.value"], value)
      end
    end
    offset = offset + 4 + length
  end
end

--- Shows a frame that is a table, in a Tvb that ends with it.
local function show_form(protocol, form, tvb, tree)
  local item = tree:add(protocol.proto, tvb(), protocol.summary_of(form))
  item:add(protocol.fields.frame, tvb(), form.name)
  local is_known = true
  for _, field in ipairs(form.fields) do
    local there = tvb:len() - field.offset
    if there < (field.width or 0) or (field.kind == "payload" and there < 1) then
      item:add_proto_expert_info(protocol.malformed, field.name .. " is cut")
      return
    end
    local length = field.width or there
    if length > 0 then
      local range = tvb(field.offset, length)
      local shown = protocol.fields[field.key]
      if field.kind == "named" then
        local name = field.names[range:uint()]
        item:add(shown, range, name or tostring(range:uint()))
      elseif field.kind == "tlvs" and is_known then
        show_tlvs(protocol, form, range, item:add(shown, range))
      else
        add_field(item, shown, field.kind, field.little, range)
      end
      if field.key == "version" then
        is_known = range:uint() == form.version
      elseif field.key == "flags" then
        local flags = field.little and range:le_uint() or range:uint()
        for _, bit in ipairs(form.bits) do
          item:add(protocol.fields[bit.key], range, flags % (2 * bit.mask) >= bit.mask)
        end
      end
    end
  end
end

--- What stands in the protocol's columns.
local function name_columns(protocol, pinfo, frame, is_first)
  pinfo.cols.protocol = protocol.id
  if is_first then
    pinfo.cols.info = frame
  else
    pinfo.cols.info:append(", " .. frame)
  end
end

--- The form of a datagram: a token is all of it, any other frame begins with its bytes.
local function form_of(protocol, tvb)
  for _, form in ipairs(protocol.forms) do
    local start = form.start
    local is_all = #form.fields == 0
    if tvb:len() >= #start and (not is_all or tvb:len() == #start)
      and tvb:raw(0, #start) == start then
      return form
    end
  end
end

--- A protocol whose frames are datagrams of UDP.
local function over_udp(protocol)
  function protocol.proto.dissector(tvb, pinfo, tree)
    local form = form_of(protocol, tvb)
    if not form then
      return 0
    end
    name_columns(protocol, pinfo, form.name, true)
    show_form(protocol, form, tvb, tree)
    return tvb:len()
  end
  -- On other ports it is known by a frame that says what it is: a token, or one with a version.
  protocol.proto:register_heuristic("udp", function(tvb, pinfo, tree)
    local form = form_of(protocol, tvb)
    local says = form and (#form.fields == 0 or (form.version_at and tvb:len() >= form.length
      and tvb(form.version_at, 1):uint() == form.version))
    if not says then
      return false
    end
    pinfo.conversation = protocol.proto
    protocol.proto.dissector(tvb, pinfo, tree)
    return true
  end)
  DissectorTable.get("udp.port"):add(protocol.port, protocol.proto)
end

-- Streams of QUIC, which Wireshark decrypts by the secrets in the capture, or in a key log file.

local QUIC = {
  "quic.connection.number", "tls.handshake.extensions_alpn_str", "quic.stream.stream_id",
  "quic.stream.offset", "quic.stream_data", "quic.dg",
}

--- What one side sends on a stream, in its order.
local Direction = {}
Direction.__index = Direction

--- Takes so many bytes from the front, if they are there.
function Direction:take(length)
  if #self.bytes < length then
    return nil
  end
  local taken = self.bytes:sub(1, length)
  self.bytes = self.bytes:sub(length + 1)
  return taken
end

--- Looks at the bytes at the front, if they are there.
function Direction:peek(length)
  return #self.bytes >= length and self.bytes:sub(1, length) or nil
end

--- Takes bytes at an offset of the stream; what was there already is passed over.
function Direction:arrive(offset, bytes)
  self.waiting[#self.waiting + 1] = { offset = offset, bytes = bytes }
  local is_new = true
  while is_new do
    is_new = false
    for place = #self.waiting, 1, -1 do
      local piece = self.waiting[place]
      if piece.offset <= self.next then
        table.remove(self.waiting, place)
        local rest = piece.bytes:sub(self.next - piece.offset + 1)
        self.bytes = self.bytes .. rest
        self.next = self.next + #rest
        is_new = true
      end
    end
  end
end

--- A number of 1 to 8 bytes as QUIC has it (RFC 9000, section 16), and its length.
local function varint(bytes)
  local first = bytes:byte(1)
  local length = first and ({ 1, 2, 4, 8 })[math.floor(first / 64) + 1]
  if not length or #bytes < length then
    return nil
  end
  local value = first % 64
  for place = 2, length do
    value = value * 256 + bytes:byte(place)
  end
  return value, length
end

local function number_of(value)
  return tonumber(tostring(value))
end

--- All protocols over QUIC, shown behind what Wireshark itself makes of a packet.
local function over_quic(protocols)
  local post = Proto("shakedown", "Protocols over QUIC, told by Shakedown")
  local by_alpn, extractors = {}, {}
  for _, protocol in ipairs(protocols) do
    by_alpn[protocol.alpn] = protocol
  end
  -- Wireshark makes no field that nobody wants.
  for place, name in ipairs(QUIC) do
    extractors[place] = Field.new(name)
  end
  local connections, said = {}, {}

  function post.init()
    connections, said = {}, {}
  end

  local function direction(connection, id, by)
    local stream = connection.streams[id]
    if not stream then
      -- The two low bits say who opened it, and whether it has one direction.
      stream = { shared = { id = id, opener = id % 2 == 0 and "client" or "server", is_two_way = id % 4 < 2 } }
      connection.streams[id] = stream
    end
    stream[by] = stream[by] or setmetatable(
      { by = by, next = 0, bytes = "", waiting = {}, shared = stream.shared }, Direction)
    return stream[by]
  end

  local function gather(pinfo)
    local from = tostring(pinfo.src) .. ":" .. pinfo.src_port
    local to = tostring(pinfo.dst) .. ":" .. pinfo.dst_port
    local found, connection, id, offset = {}, nil, nil, 0
    local function emit(protocol)
      return function(frame, bytes, message, wrong)
        found[#found + 1] =
          { protocol = protocol, frame = frame, bytes = bytes, message = message, wrong = wrong }
      end
    end
    for _, info in ipairs({ all_field_infos() }) do
      local name = info.name
      if name == "quic.connection.number" then
        local number = number_of(info.value)
        -- Whom its first packet is for is the server; the client may move to another port.
        connections[number] = connections[number] or { server = to, streams = {} }
        connection = connections[number]
      elseif connection then
        if name == "tls.handshake.extensions_alpn_str" then
          connection.protocol = by_alpn[info.value] or connection.protocol
        elseif name == "quic.stream.stream_id" then
          id, offset = number_of(info.value), 0
        elseif name == "quic.stream.offset" then
          offset = number_of(info.value)
        elseif name == "quic.stream_data" and connection.protocol and id then
          local by = from == connection.server and "server" or "client"
          local way = direction(connection, id, by)
          way:arrive(offset, info.value:raw())
          connection.protocol.read(way, emit(connection.protocol))
          -- What the other side said may have waited for this.
          local other = connection.streams[id][by == "client" and "server" or "client"]
          if other then
            connection.protocol.read(other, emit(connection.protocol))
          end
        elseif name == "quic.dg" and connection.protocol and connection.protocol.read_datagram then
          connection.protocol.read_datagram(info.value:raw(), emit(connection.protocol))
        end
      end
    end
    return found
  end

  function post.dissector(_, pinfo, tree)
    if not pinfo.visited then
      said[pinfo.number] = gather(pinfo)
    end
    for place, it in ipairs(said[pinfo.number] or {}) do
      local protocol, tvb = it.protocol, tvb_of(it.bytes, it.frame)
      name_columns(protocol, pinfo, it.frame, place == 1)
      if it.wrong then
        local item = tree:add(protocol.proto, tvb(), protocol.id .. ": " .. it.frame)
        item:add_proto_expert_info(protocol.malformed, it.wrong)
      elseif it.message then
        protocol.show_message(it, tvb, tree)
      else
        show_form(protocol, protocol.form_named[it.frame], tvb, tree)
      end
    end
  end

  register_postdissector(post)
end

local streaming = {}
for _, protocol in ipairs(PROTOCOLS) do
  protocol.form_named = {}
  for _, form in ipairs(protocol.forms) do
    protocol.form_named[form.name] = form
  end
  function protocol.summary_of(form)
    return protocol.id .. ": " .. form.name
  end
  declare(protocol)
  if protocol.alpn then
    streaming[#streaming + 1] = protocol
  else
    over_udp(protocol)
  end
end
