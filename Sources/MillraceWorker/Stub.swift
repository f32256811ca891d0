// room: MillraceWorker
