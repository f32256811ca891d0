// room: MillraceText
