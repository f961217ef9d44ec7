// swift-tools-version: 6.2
import PackageDescription

#if os(Linux)
import Glibc
#endif

// The floors, lowest first. A room lists what it touches, so no import can go up or sideways.

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

func room(_ name: String, in folder: String, _ dependencies: [Target.Dependency] = [], exclude: [String] = []) -> Target {
    .target(name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)", exclude: exclude, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

/// How the server is linked. A hundred thousand addresses in it are put right when it starts: packed they take 2 MB less, and
/// glibc reads them so from 2.36 on.
func serverLinking() -> [LinkerSetting] {
    #if os(Linux)
    var text = [CChar](repeating: 0, count: 64)
    _ = confstr(Int32(_CS_GNU_LIBC_VERSION), &text, text.count)
    let version = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    let parts = version.split(separator: " ").last?.split(separator: ".").compactMap { Int($0) } ?? []
    let unpacks = parts.count >= 2 && (parts[0], parts[1]) >= (2, 36)
    let flags = ["--icf=safe"] + (unpacks ? ["-z", "pack-relative-relocs"] : [])
    return [.unsafeFlags(["-use-ld=lld"] + flags.flatMap { ["-Xlinker", $0] }, .when(configuration: .release))]
    #else
    return []
    #endif
}

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let cryptoExtras = Target.Dependency.product(name: "CryptoExtras", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let lifecycle = Target.Dependency.product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")
let sqlite = Target.Dependency.product(name: "GRDBSQLite", package: "GRDB.swift")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let hummingbirdTesting = Target.Dependency.product(name: "HummingbirdTesting", package: "hummingbird")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let httpClient = Target.Dependency.product(name: "AsyncHTTPClient", package: "async-http-client")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let configuration = Target.Dependency.product(name: "Configuration", package: "swift-configuration")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
    name: "waybill",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "waybill", targets: ["waybill"]),
        .library(name: "WaybillEngine", targets: ["WaybillEngine", "WaybillEngineTesting", "WaybillDatabases", "WaybillBlobs"]),
        .library(name: "WaybillSQLite", targets: ["WaybillSQLite", "WaybillDiskBlobs"]),
        .library(name: "WaybillS3Blobs", targets: ["WaybillS3Blobs"]),
        .library(name: "WaybillPostgres", targets: ["WaybillPostgres"]),
        .library(name: "WaybillClient", targets: ["WaybillClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0", traits: ["YAML", "CommandLineArguments"]),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    ],
    targets: [
        // System libraries
        .systemLibrary(name: "CXLSXWriter", path: "Sources/System/CXLSXWriter", providers: [.apt(["libxlsxwriter-dev"])]),
        .systemLibrary(name: "CLibPQ", path: "Sources/System/CLibPQ", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(name: "CMalloc", path: "Sources/System/CMalloc"),
        .systemLibrary(name: "CZlib", path: "Sources/System/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", path: "Sources/System/CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),

        // Floor 0: true in any program
        room("SeededBugs", in: "Ground"),
        room("WaybillDatabases", in: "Ground", ["SeededBugs"]),
        room("WaybillBlobs", in: "Ground", [crypto]),
        room("Formats", in: "Ground", ["CXLSXWriter", "CZlib", "CZstd"]),
        room("AgeFiles", in: "Ground", [crypto, cryptoExtras]),

        // Drivers: the only speakers of a vendor's name
        room("WaybillSQLite", in: "Drivers", ["SeededBugs", "WaybillDatabases", grdb, sqlite]),
        room("WaybillPostgres", in: "Drivers", ["SeededBugs", "WaybillDatabases", "CLibPQ"]),
        room("WaybillDiskBlobs", in: "Drivers", ["SeededBugs", "WaybillBlobs", crypto]),
        room("OutboundHTTP", in: "Drivers", [httpClient, nioCore, nioHTTP1]),
        room(
            "WaybillS3Blobs", in: "Drivers",
            ["SeededBugs", "WaybillBlobs", "CZlib", httpClient, crypto, nioCore, nioHTTP1, nioPosix, nioSSL]),

        // Floor 1: jobs
        room("WaybillEngine", in: "Engine", ["SeededBugs", "WaybillDatabases", "WaybillBlobs", crypto, logging, lifecycle]),
        room("WaybillEngineTesting", in: "Engine", ["WaybillEngine", "WaybillDatabases", "WaybillBlobs", logging]),
        room("Datasets", in: "Engine", ["WaybillEngine", "WaybillDatabases", "WaybillBlobs", "Formats", "AgeFiles", crypto]),

        room(
            "TenantData", in: "Engine",
            ["Datasets", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "Formats", "AgeFiles", crypto]),
        room(
            "AuditTrail", in: "Engine",
            ["TenantData", "Datasets", "WaybillEngine", "WaybillDatabases", "Formats", crypto, logging, lifecycle]),

        // Floor 2: HTTP that is the same for every door
        room(
            "Web", in: "Web",
            [
                "SeededBugs", "AuditTrail", "TenantData", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "Formats",
                hummingbird, jwt, crypto, logging, lifecycle,
            ]),

        room(
            "JobDoors", in: "Web",
            [
                "SeededBugs", "Web", "AuditTrail", "Datasets", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "Formats",
                hummingbird,
            ]),

        // Floor 3: the doors, and telling people
        room("Jobs", in: "Features", ["JobDoors", "Web", "WaybillEngine", "WaybillBlobs", hummingbird]),
        room(
            "ContentExport", in: "Features",
            [
                "SeededBugs", "JobDoors", "Web", "AuditTrail", "TenantData", "Datasets", "WaybillEngine", "WaybillDatabases",
                "WaybillBlobs", "Formats", hummingbird, crypto, logging,
            ]),
        room(
            "AuditLog", in: "Features",
            [
                "JobDoors", "Web", "AuditTrail", "Datasets", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "Formats",
                hummingbird, crypto,
            ]),
        room(
            "Backups", in: "Features",
            [
                "JobDoors", "Web", "AuditTrail", "TenantData", "Datasets", "WaybillEngine", "WaybillDatabases", "WaybillBlobs",
                "Formats", "AgeFiles", hummingbird, crypto, logging,
            ]),
        room(
            "Drive", in: "Features",
            [
                "AgeFiles", "SeededBugs", "JobDoors", "Web", "AuditTrail", "TenantData", "Datasets", "WaybillEngine",
                "WaybillDatabases",
                "WaybillBlobs",
                "Formats",
                hummingbird, crypto, logging, lifecycle,
            ]),
        room(
            "Administration", in: "Features",
            ["JobDoors", "Web", "AuditTrail", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", hummingbird]),
        room(
            "Notify", in: "Delivery",
            [
                "SeededBugs", "JobDoors", "Web", "AuditTrail", "TenantData", "Datasets", "WaybillEngine", "WaybillDatabases",
                "Formats", hummingbird, logging, lifecycle,
            ]),
        room("Dashboard", in: "Delivery", ["Web", hummingbird], exclude: ["Assets"]),

        // Front: what is started and held
        room(
            "WaybillClient", in: "Front",
            [
                httpClient, crypto, .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        room(
            "Assembly", in: "Front",
            [
                "AuditLog", "Backups", "ContentExport", "Drive", "Jobs", "JobDoors", "Administration", "Notify", "Dashboard",
                "Web",
                "AuditTrail", "TenantData", "Datasets", "Formats", "WaybillEngine",
                "WaybillSQLite", "WaybillPostgres", "WaybillDiskBlobs", "WaybillS3Blobs", "OutboundHTTP",
                "WaybillDatabases", "WaybillBlobs", "CMalloc", hummingbird, configuration, logging, lifecycle, crypto,
            ]),
        room("Commands", in: "Front", ["Assembly", "TenantData", "Formats", "AgeFiles", "WaybillClient", arguments]),
        .executableTarget(
            name: "waybill", dependencies: ["Commands"], path: "Sources/Front/waybill", swiftSettings: settings,
            linkerSettings: serverLinking()),

        // The example of a kind of one's own: built here so that it can't go stale
        .executableTarget(
            name: "CustomKind", dependencies: ["WaybillEngine", "WaybillDatabases", "WaybillBlobs", "WaybillSQLite", logging],
            path: "Examples/CustomKind/Sources/CustomKind", swiftSettings: settings),

        // The engine alone under load, for `make prove`
        .executableTarget(
            name: "EngineProof",
            dependencies: [
                "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "WaybillSQLite", "WaybillPostgres", "WaybillDiskBlobs",
                "WaybillS3Blobs", logging,
            ],
            path: "Prove/EngineProof", swiftSettings: settings),

        // Tests: a room each, one suite for every driver, the simulation, the real binary
        .target(
            name: "PostgresFixture", dependencies: ["WaybillPostgres", "WaybillSQLite", "WaybillDatabases"],
            path: "Tests/Support/PostgresFixture",
            swiftSettings: settings),
        tests("FormatsTests", ["Formats", "CZlib", "CZstd"]),
        tests("AgeFilesTests", ["AgeFiles"]),
        tests(
            "Conformance",
            [
                "WaybillDatabases", "WaybillBlobs", "WaybillSQLite", "WaybillPostgres", "PostgresFixture", "WaybillDiskBlobs",
                "WaybillS3Blobs", "OutboundHTTP", grdb, crypto, httpClient, nioCore, nioHTTP1, "TestServers",
            ]),
        .target(name: "TestServers", path: "Tests/Support/TestServers", swiftSettings: settings),
        .target(
            name: "TestSockets", dependencies: [nioCore, nioPosix], path: "Tests/Support/TestSockets", swiftSettings: settings),
        tests("WaybillBlobsTests", ["WaybillBlobs"]),
        tests("WaybillS3BlobsTests", ["WaybillS3Blobs", "WaybillBlobs", crypto, nioCore, nioHTTP1, nioPosix]),
        tests(
            "WaybillEngineTests",
            [
                "WaybillEngine", "WaybillEngineTesting", "WaybillDatabases", "WaybillBlobs", "WaybillSQLite", "PostgresFixture",
                grdb,
                logging, lifecycle, crypto,
            ]),
        tests("Simulation", ["WaybillEngine", "WaybillDatabases", "WaybillBlobs", "WaybillSQLite", grdb, logging]),
        tests(
            "DatasetsTests",
            [
                "Datasets", "Formats", "WaybillEngine", "WaybillEngineTesting", "WaybillDatabases", "WaybillBlobs",
                "WaybillSQLite", "WaybillPostgres", "PostgresFixture", logging,
            ]),
        tests(
            "AuditTrailTests",
            [
                "AuditTrail", "TenantData", "WaybillEngine", "WaybillEngineTesting", "WaybillDatabases", "PostgresFixture",
                logging,
            ]),
        tests(
            "WebTests",
            [
                "Web", "AuditTrail", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "PostgresFixture", hummingbird,
                hummingbirdTesting,
                jwt,
                crypto,
                logging, .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ]),
        tests(
            "ContentExportTests",
            [
                "ContentExport", "AuditTrail", "JobDoors", "Datasets", "Formats", "WaybillEngine", "WaybillEngineTesting",
                "WaybillDatabases", "WaybillBlobs", "PostgresFixture", logging,
            ]),
        tests(
            "AuditLogTests",
            [
                "AuditLog", "AuditTrail", "JobDoors", "Notify", "TenantData", "Web", "Datasets", "Formats", "WaybillEngine",
                "WaybillEngineTesting", "WaybillDatabases", "WaybillBlobs", "PostgresFixture", "CZlib", hummingbird,
                hummingbirdTesting,
                nioCore, logging, crypto,
            ]),
        tests(
            "DriveTests",
            [
                "Drive", "AgeFiles", "AuditTrail", "JobDoors", "Jobs", "Web", "Formats", "WaybillEngine", "WaybillEngineTesting",
                "WaybillDatabases", "WaybillBlobs", "WaybillDiskBlobs", "WaybillS3Blobs", "PostgresFixture", "TestServers",
                "TestSockets", hummingbird, hummingbirdTesting, nioCore, logging, crypto, lifecycle,
            ]),
        tests(
            "NotifyTests",
            [
                "Notify", "Web", "AuditTrail", "WaybillEngine", "WaybillDatabases", "WaybillBlobs", "PostgresFixture",
                hummingbird,
                hummingbirdTesting,
                logging, lifecycle,
            ]),
        tests("DashboardTests", ["Dashboard"]),
        tests(
            "TenantIsolationTests",
            [
                "Assembly", "Administration", "AuditLog", "AuditTrail", "Backups", "ContentExport", "Datasets", "Drive", "Jobs",
                "Notify",
                "Web", "WaybillEngine",
                "WaybillDatabases", "WaybillBlobs", "PostgresFixture", hummingbird, hummingbirdTesting, nioCore, logging, crypto,
            ]),
        tests(
            "AssemblyTests",
            ["Assembly", "TenantData", "PostgresFixture", "WaybillDatabases", "WaybillEngine", "WaybillS3Blobs"]),
        tests(
            "BackupsTests",
            [
                "AgeFiles", "Assembly", "AuditTrail", "Backups", "ContentExport", "Datasets", "Drive", "Formats", "JobDoors",
                "Notify",
                "TenantData",
                "Web",
                "WaybillEngine", "WaybillEngineTesting", "WaybillDatabases", "WaybillBlobs", "PostgresFixture", hummingbird,
                hummingbirdTesting, nioCore, logging, crypto,
            ]),
        tests(
            "WaybillClientTests",
            [
                "WaybillClient", crypto, .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        tests(
            "CommandsTests",
            ["Commands", "AgeFiles", "Assembly", "Datasets", "Formats", "TenantData", "WaybillClient", arguments]),
        tests("TidyTests", []),
        tests("EndToEnd", ["WaybillClient", "waybill", "TestServers", "TestSockets", "PostgresFixture", crypto]),
    ],
    swiftLanguageModes: [.v6]
)
