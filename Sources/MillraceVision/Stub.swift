// room: MillraceVision
