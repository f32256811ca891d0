import MillraceCore
import MillraceGateway

/// Everything that can be set, with its defaults. Read by ``SettingsLoader`` from flags, environment and `millrace.yaml`.
public struct Settings: Sendable, Equatable {
    public enum Authentication: String, Sendable, CaseIterable {
        /// Every request needs an API key.
        case required
        /// No key is asked for; only on a loopback address.
        case none
    }

    public var host = "127.0.0.1"
    public var port = 8080
    /// Where everything that lasts is kept.
    public var dataDirectory = ".millrace"
    public var authentication = Authentication.required
    /// The certificate with which the server speaks TLS; `nil`: it does not.
    public var tls: TLSFiles?
    public var logLevel = "info"
    /// How long a lease lasts without a heartbeat.
    public var lease: Duration = .seconds(15)
    /// What `{python}` in a model's command stands for; `nil`: `.venv/bin/python` beside the settings file, else `python3`.
    public var python: String?
    /// The ONNX Runtime library, or a folder with it; `nil`: searched in the usual places.
    public var onnxRuntime: String?
    /// Threads a model may use; 0: one for each core.
    public var threads = 0
    /// Signs webhooks (`whsec_...`); `nil`: made on the first start and kept in the data directory.
    public var webhookSecret: String?
    /// Hosts to which webhooks may go although their address is private.
    public var webhookAllowedHosts: [String] = []
    public var endpoints: [EndpointConfiguration] = []
    /// In which prices are told and shown.
    public var currency = "USD"
    public var fleet = FleetSettings()
    /// The file that was read, `nil` when there was none.
    public var file: String?

    public init() {}

    /// What this machine may give to workers.
    public struct FleetSettings: Sendable, Equatable {
        /// Workers without a GPU of their own at once; `nil`: as many as the endpoints may have.
        public var slots: Int?
        /// Workers at once on each GPU; `nil`: as many as the endpoints may have, spread evenly.
        public var workersPerGPU: Int?

        public init() {}
    }

    /// Whether only this machine can reach the server.
    public var isLoopback: Bool {
        host == "localhost" || host == "::1" || host.hasPrefix("127.")
    }
}
