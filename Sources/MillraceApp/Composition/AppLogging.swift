import Logging

/// Logs go to standard error; standard output is for data.
public enum AppLogging {
    public static func logger(_ label: String, _ settings: Settings) -> Logger {
        var logger = Logger(label: label) { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = Logger.Level(rawValue: settings.logLevel) ?? .info
        return logger
    }
}
