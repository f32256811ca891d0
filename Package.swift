// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// One of our own library targets. `uses` names our own targets that it may import; `DESIGN.md`'s
/// package table is the contract and `dev/check-imports` holds the sources against it.
func room(_ name: String, uses: [Target.Dependency] = [], _ external: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: uses + external, swiftSettings: settings)
}

/// A library target whose loops over pixels and characters take minutes when they are not optimised: it is in debug builds too.
func numericRoom(_ name: String, uses: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: uses, swiftSettings: settings + [.unsafeFlags(["-O"], .when(configuration: .debug))])
}

func suite(
    _ name: String, uses: [Target.Dependency], _ external: [Target.Dependency] = [], resources: [Resource]? = nil
) -> Target {
    .testTarget(
        name: name, dependencies: uses + ["MillraceTestSupport"] + external, resources: resources, swiftSettings: settings)
}

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let collections: Target.Dependency = .product(name: "Collections", package: "swift-collections")
let heap: Target.Dependency = .product(name: "HeapModule", package: "swift-collections")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let lifecycleTestKit: Target.Dependency = .product(name: "ServiceLifecycleTestKit", package: "swift-service-lifecycle")
let metricsTestKit: Target.Dependency = .product(name: "MetricsTestKit", package: "swift-metrics")
let httpClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let hummingbird: Target.Dependency = .product(name: "Hummingbird", package: "hummingbird")
let hummingbirdCore: Target.Dependency = .product(name: "HummingbirdCore", package: "hummingbird")
let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioFoundation: Target.Dependency = .product(name: "NIOFoundationCompat", package: "swift-nio")
let nioHTTPTypes: Target.Dependency = .product(name: "NIOHTTPTypes", package: "swift-nio-extras")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let httpTypes: Target.Dependency = .product(name: "HTTPTypes", package: "swift-http-types")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let systemPackage: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let sqlite: Target.Dependency = .product(name: "GRDBSQLite", package: "GRDB.swift")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "millrace",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "millrace", targets: ["millrace"]),
        .executable(name: "millrace-bench", targets: ["MillraceBench"]),
        .library(name: "MillraceClient", targets: ["MillraceClient"]),
        .library(name: "MillraceConformance", targets: ["MillraceConformance"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.2.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.20.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.20.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.0.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        // The vocabulary.
        room("MillraceCore", [heap]),
        room("MillraceWire", uses: ["MillraceCore"]),

        // The queue and what is behind it.
        room("MillraceQueue", uses: ["MillraceCore"], [heap, log, metrics, tracing, lifecycle]),
        .target(name: "CGatheredLog", linkerSettings: [.linkedLibrary("sqlite3")]),
        room("MillraceQueueSQLite", uses: ["MillraceQueue", "MillraceCore", "CGatheredLog"], [grdb, sqlite, log]),

        // Where bytes and workers live.
        room("MillraceCloud", uses: ["MillraceCore"]),
        room("MillraceLocal", uses: ["MillraceCloud", "MillraceCore"], [subprocess, systemPackage, crypto, log, lifecycle]),
        room("MillraceScaling", uses: ["MillraceCore", "MillraceCloud", "MillraceQueue", "MillraceInference"], [collections, log, lifecycle, metrics]),

        // Inference.
        .target(name: "CSharedMemory"),
        room("MillraceInference", uses: ["MillraceCore", "CSharedMemory"], [collections]),
        .target(name: "COnnxRuntime"),
        room("MillraceRunnerONNX", uses: ["MillraceInference", "MillraceCore", "COnnxRuntime"]),
        room("MillraceProcesses", uses: ["MillraceCore"], [subprocess, systemPackage]),
        room("MillraceRunnerProcess", uses: ["MillraceInference", "MillraceProcesses", "MillraceWire", "MillraceCore"], [nio, nioPosix, nioFoundation, log]),
        room("MillraceRunnerHTTP", uses: ["MillraceInference", "MillraceProcesses", "MillraceCore"], [httpClient, nio, nioPosix, nioHTTP, log]),
        .target(name: "CVips"),
        .target(name: "CPoppler"),
        .target(name: "CTurboJPEG"),
        .target(name: "CResampling", cSettings: [.unsafeFlags(["-O3"])]),
        numericRoom("MillraceVision", uses: ["MillraceCore", "CVips", "CTurboJPEG", "CPoppler", "CResampling"]),
        numericRoom("MillraceText", uses: ["MillraceCore"]),
        room("MillracePipelines", uses: ["MillraceInference", "MillraceVision", "MillraceText", "MillraceCore"]),

        // The processes.
        room("MillraceEventLoops", [nio]),
        room("MillraceWorker", uses: ["MillraceInference", "MillracePipelines", "MillraceWire", "MillraceCloud", "MillraceEventLoops", "MillraceCore"], [httpClient, nio, nioFoundation, nioHTTP, log, lifecycle, crypto]),
        room("MillraceGateway", uses: ["MillraceQueue", "MillraceWire", "MillraceCloud", "MillraceEventLoops", "MillraceCore"], [hummingbird, hummingbirdCore, httpClient, httpTypes, nio, nioPosix, nioFoundation, nioHTTP, nioHTTPTypes, nioSSL, crypto, log, metrics, lifecycle]),
        room("MillraceClient", uses: ["MillraceWire", "MillraceCore"], [httpClient, nio, nioPosix, nioFoundation, nioHTTP]),
        .systemLibrary(name: "CMalloc"),
        room(
            "MillraceApp",
            uses: [
                "MillraceGateway", "MillraceWorker", "MillraceQueueSQLite", "MillraceLocal", "MillraceScaling",
                "MillraceRunnerONNX", "MillraceRunnerProcess", "MillraceRunnerHTTP", "MillraceProcesses", "MillracePipelines", "MillraceQueue", "MillraceCloud",
                "MillraceInference", "MillraceVision", "MillraceWire", "MillraceCore", "CMalloc",
            ], [yams, log, metrics, lifecycle, signals, httpClient, nio, nioPosix, nioHTTP, nioSSL, crypto]),
        room("MillraceCommands", uses: ["MillraceClient", "MillraceScaling", "MillraceWire", "MillraceCore"], [arguments]),
        .executableTarget(
            name: "millrace",
            dependencies: ["MillraceApp", "MillraceCommands", "MillraceCore", arguments],
            swiftSettings: settings),

        // Measures the queue's store, and models in one process; see Benchmarks/.
        .executableTarget(
            name: "MillraceBench",
            dependencies: [
                "MillraceQueue", "MillraceQueueSQLite", "MillraceApp", "MillracePipelines", "MillraceRunnerONNX", "MillraceInference",
                "MillraceVision", "MillraceCore", arguments,
            ],
            path: "Benchmarks/Engine", swiftSettings: settings),

        // For tests only.
        room("MillraceTestSupport", uses: ["MillraceCore", "MillraceQueue", "MillraceCloud"]),
        room("MillraceConformance", uses: ["MillraceQueue", "MillraceCloud", "MillraceInference", "MillraceCore", "MillraceTestSupport"]),

        room(
            "MillraceSimulation",
            uses: ["MillraceQueue", "MillraceQueueSQLite", "MillraceScaling", "MillraceCloud", "MillraceCore", "MillraceTestSupport"], [heap, log]),
        .executableTarget(
            name: "millrace-sim", dependencies: ["MillraceSimulation", "MillraceCore", arguments], swiftSettings: settings),

        // Counts the syncs of the disk that a test's process makes.
        .target(name: "CSyncCounter", path: "Tests/Support/CSyncCounter"),

        // A gateway that says what a test tells it to.
        .target(
            name: "MillraceFakeServer", dependencies: ["MillraceWire", "MillraceCore", nio, nioPosix, nioHTTP],
            path: "Tests/MillraceFakeServer", swiftSettings: settings),

        suite("MillraceProcessesTests", uses: ["MillraceProcesses", "MillraceCore"]),
        suite(
            "MillraceRunnerHTTPTests", uses: ["MillraceRunnerHTTP", "MillraceInference", "MillraceProcesses", "MillraceCore"],
            [log], resources: [.copy("Peers")]),
        suite(
            "MillraceRunnerProcessTests",
            uses: ["MillraceRunnerProcess", "MillraceInference", "MillraceProcesses", "MillraceWire", "MillraceCore"],
            [nio, log], resources: [.copy("Peers")]),
        suite("MillraceClientTests", uses: ["MillraceClient", "MillraceFakeServer", "MillraceWire", "MillraceCore"]),
        suite(
            "MillraceCommandsTests",
            uses: ["MillraceCommands", "MillraceClient", "MillraceFakeServer", "MillraceWire", "MillraceCore"], [arguments],
            resources: [.copy("Snapshots")]),
        suite("MillraceCoreTests", uses: ["MillraceCore"]),
        suite(
            "MillraceQueueTests", uses: ["MillraceQueue", "MillraceConformance", "MillraceCore"],
            [lifecycle, lifecycleTestKit, metrics, metricsTestKit, log]),
        suite(
            "MillraceQueueSQLiteTests",
            uses: ["MillraceQueueSQLite", "MillraceQueue", "MillraceConformance", "MillraceCore", "CGatheredLog", "CSyncCounter"], [grdb],
            resources: [.copy("Fixtures")]),
        suite("MillraceWireTests", uses: ["MillraceWire", "MillraceCore"]),
        suite(
            "MillraceWorkerTests", uses: ["MillraceWorker", "MillraceInference", "MillraceEventLoops", "MillraceFakeServer", "MillraceWire", "MillraceCloud", "MillraceCore"],
            [httpClient, nio, crypto, log]),
        suite("MillraceSimulationTests", uses: ["MillraceSimulation", "MillraceQueue", "MillraceCore"]),
        suite("MillraceInferenceTests", uses: ["MillraceInference", "MillraceCore"]),
        suite(
            "MillraceGatewayTests", uses: ["MillraceGateway", "MillraceQueue", "MillraceCloud", "MillraceWire", "MillraceCore", hummingbird, hummingbirdCore, httpClient, httpTypes, nio, nioPosix, nioHTTP, nioSSL, crypto, log, metrics, lifecycle]),
        suite("MillraceTextTests", uses: ["MillraceText", "MillraceCore"], resources: [.copy("Fixtures")]),
        suite("MillraceVisionTests", uses: ["MillraceVision", "MillraceCore"], resources: [.copy("Fixtures")]),
        suite("MillraceRunnerONNXTests", uses: ["MillraceRunnerONNX", "MillraceInference", "MillraceCore"], resources: [.copy("Fixtures")]),
        suite(
            "MillracePipelinesTests",
            uses: [
                "MillracePipelines", "MillraceRunnerONNX", "MillraceConformance", "MillraceInference", "MillraceText", "MillraceVision", "MillraceCore",
            ],
            resources: [.copy("Fixtures")]),
        suite("MillraceLocalTests", uses: ["MillraceLocal", "MillraceConformance", "MillraceCloud", "MillraceCore"], [log, lifecycle]),
        suite(
            "MillraceAppTests", uses: ["MillraceApp", "MillraceGateway", "MillraceConformance", "MillraceWire", "MillraceCloud", "MillraceCore", "MillraceLocal", "MillraceQueue", "MillraceScaling", "MillraceWorker"], [log]),
        suite("MillraceScalingTests", uses: ["MillraceScaling", "MillraceCloud", "MillraceQueue", "MillraceSimulation", "MillraceConformance", "MillraceCore"], [log, lifecycle]),
    ]
)
