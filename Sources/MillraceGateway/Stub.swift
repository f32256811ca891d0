// room: MillraceGateway
