import ArgumentParser

/// The commands that talk to a server or need none, and what the root's help says.
public enum ClientCommands {
    public static let all: [any ParsableCommand.Type] = [
        SubmitCommand.self, JobsCommand.self, DeadLettersCommand.self, EndpointsCommand.self, WorkersCommand.self, ScalingCommand.self,
        SimulateCommand.self,
    ]

    public static let abstract = "Asynchronous inference: hand in work, have a job id at once, fetch the result."

    public static let discussion = """
        Start a server, then hand in a document and wait for its result:

          millrace serve
          millrace submit ocr report.pdf --wait

        Data goes to standard output and everything else to standard error, so results can be piped. With --json the \
        data is JSON.

        EXIT CODES:
        \(ChildExit.help)
        """
}
