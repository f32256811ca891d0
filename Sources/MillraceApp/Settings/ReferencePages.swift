import MillraceCore

/// The reference pages in `docs/reference`, made from the registries; `make lint` holds the files against them.
public enum ReferencePages {
    public static var settings: String {
        """
        # Settings

        Made from the registry in the code by `millrace docs settings`; do not edit.

        A flag wins over the environment, the environment over `millrace.yaml`, the file over the default. Unknown keys and
        variables are faults, and all faults are told at once. Paths in the file are relative to the file.
        Durations carry a unit (`500ms`, `20s`, `5m`, `2h`, `7d`), sizes may (`500kB`, `50MB`, `2GiB`).

        | in millrace.yaml | environment | shape | default | meaning |
        | --- | --- | --- | --- | --- |
        \(rows(SettingsRegistry.all))

        ## Keys of an endpoint

        Under `endpoints.NAME`; a name has 1 to 63 of `a-z`, `0-9` and `-`, and begins with a letter.

        | key | shape | default | meaning |
        | --- | --- | --- | --- |
        \(SettingsRegistry.endpoint.map { "| `\($0.key ?? "")` | \($0.shape) | \($0.fallback) | \($0.meaning) |" }.joined(separator: "\n"))

        """
    }

    private static func rows(_ settings: [SettingDeclaration]) -> String {
        settings.map { setting in
            let key = setting.key.map { "`\($0)`" } ?? ""
            let variable = setting.variable.map { "`\($0)`" } ?? ""
            return "| \(key) | \(variable) | \(setting.shape) | \(setting.fallback) | \(setting.meaning) |"
        }.joined(separator: "\n")
    }

    public static var errors: String {
        """
        # Error codes

        Made from the registry in the code by `millrace docs errors`; do not edit.

        In problem documents (`code`), in a failed job's `error.code` and on the command line. A handler may add codes of its own.

        | code | meaning |
        | --- | --- |
        \(ErrorCode.all.map { "| `\($0.code)` | \($0.meaning) |" }.joined(separator: "\n"))

        """
    }
}
