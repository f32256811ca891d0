// room: MillraceRunnerONNX
