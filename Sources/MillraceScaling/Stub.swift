// room: MillraceScaling
