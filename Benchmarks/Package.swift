// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "waybill-benchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "waybill", path: ".."),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        .executableTarget(
            name: "EngineBench",
            dependencies: [
                .product(name: "WaybillEngine", package: "waybill"), .product(name: "WaybillSQLite", package: "waybill"),
                .product(name: "WaybillPostgres", package: "waybill"), .product(name: "Logging", package: "swift-log"),
            ]),
        .executableTarget(
            name: "BlobBench",
            dependencies: [
                .product(name: "WaybillEngine", package: "waybill"), .product(name: "WaybillSQLite", package: "waybill"),
                .product(name: "WaybillS3Blobs", package: "waybill"),
            ]),
        .executableTarget(name: "UploadBench", dependencies: [.product(name: "WaybillS3Blobs", package: "waybill")]),
    ],
    swiftLanguageModes: [.v6]
)
