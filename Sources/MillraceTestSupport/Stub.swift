// room: MillraceTestSupport
