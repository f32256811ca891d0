// room: MillracePipelines
