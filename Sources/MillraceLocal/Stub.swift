// room: MillraceLocal
