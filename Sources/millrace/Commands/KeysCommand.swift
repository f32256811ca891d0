import ArgumentParser
import Foundation
import MillraceApp
import MillraceCore

struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make, list and revoke keys, of clients and of workers.",
        discussion: """
            Works on the data directory itself, so it needs no key and no running server. Only hashes are kept: a key is shown once,
            when it is made.

            Examples:
              millrace keys create --name laptop
              millrace keys create --worker --name gpu-1 --endpoint ocr
              millrace keys list
              millrace keys revoke 019a0000-0000-7000-8000-000000000000
            """,
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a key and show it, this once.")
        @OptionGroup var options: SettingsOptions
        @Option(help: "What the key is for.") var name: String
        @Option(help: "Whose jobs it sees.") var tenant = "default"
        @Flag(help: "A key for machines that join the fleet. It opens nothing that clients use.") var worker = false
        @Option(help: "With --worker: only for this endpoint; may be given several times.") var endpoint: [String] = []

        func validate() throws {
            if !worker, !endpoint.isEmpty { throw ValidationError("--endpoint is for keys made with --worker") }
        }

        func run() async throws {
            let administration = try KeyAdministration(settings: options.load(versions: false))
            let made =
                try await worker
                ? administration.createForWorkers(name: name, endpoints: endpoint) : administration.create(name: name, tenant: tenant)
            print(made.secret)
            for warning in administration.warnings(about: endpoint) { FileHandle.standardError.write(Data("Warning: \(warning)\n".utf8)) }
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
                for key in keys {
                    let use = key.kind == "worker" ? "worker of \(key.endpoints?.joined(separator: ",") ?? "all")" : key.tenant
                    print("\(key.id)  \(key.createdAt)  \(use)  \(key.name)")
                }
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
