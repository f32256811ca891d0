// room: MillraceRunnerProcess
