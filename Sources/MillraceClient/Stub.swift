// room: MillraceClient
