// room: MillraceConformance
