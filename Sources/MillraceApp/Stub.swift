// room: MillraceApp
