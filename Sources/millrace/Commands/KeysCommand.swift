import ArgumentParser
import Foundation
import MillraceApp
import MillraceCore

struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list and revoke API keys.",
        discussion: """
            Works on the data directory itself, so it needs no key and no running server. Only hashes are kept: a key is shown once,
            when it is made.

            Examples:
              millrace keys create --name laptop
              millrace keys list
              millrace keys revoke 019a0000-0000-7000-8000-000000000000
            """,
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key and show it, this once.")
        @OptionGroup var options: SettingsOptions
        @Option(help: "What the key is for.") var name: String
        @Option(help: "Whose jobs it sees.") var tenant = "default"

        func run() async throws {
            let made = try await KeyAdministration(settings: options.load(versions: false)).create(name: name, tenant: tenant)
            print(made.secret)
            FileHandle.standardError.write(Data("Key \(made.key.id) for \"\(name)\". It is not shown again.\n".utf8))
        }
    }

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the keys, without their secrets.")
        @OptionGroup var options: SettingsOptions
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let keys = try await KeyAdministration(settings: options.load(versions: false)).list()
            if json {
                print(try MillraceJSON.string(keys, pretty: true))
            } else {
                for key in keys { print("\(key.id)  \(key.createdAt)  \(key.tenant)  \(key.name)") }
            }
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Revoke a key; a running server refuses it within seconds.")
        @OptionGroup var options: SettingsOptions
        @Argument(help: "The key's id, as list shows it.") var id: String

        func run() async throws {
            try await KeyAdministration(settings: options.load(versions: false)).revoke(id)
        }
    }
}
