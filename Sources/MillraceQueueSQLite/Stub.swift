// room: MillraceQueueSQLite
