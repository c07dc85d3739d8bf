--- A stream of proton: a byte that says which it is, and numbers of four bytes. Only the client opens one, and in
--- both directions.
function protocol.read(way, emit)
  local shared = way.shared
  if not shared.is_two_way or shared.opener ~= "client" then
    return
  end
  if way.by == "client" and not shared.begun then
    local first = way:take(1)
    if not first then
      return
    end
    shared.begun = true
    shared.words = protocol.tables.words[first:byte()]
    if shared.words then
      emit("DISCRIMINATOR", first)
    elseif first == protocol.form_named.RESET.start then
      emit("RESET", first)
    else
      emit("malformed", first, nil, "An unknown discriminator")
    end
  end
  while shared.words do
    local word = way:take(4)
    if not word then
      return
    end
    emit(shared.words[way.by], word)
  end
end
