import Foundation
import WaybillBlobs
import WaybillDiskBlobs
import WaybillS3Blobs

// Writes blobs into a store, reads them and deletes them again, and prints how fast that went, as JSON.
//
//   BlobBench memory|disk FOLDER|s3 URL ROUND SMALL_COUNT LARGE_MIB

let smallBytes = 4096
let sideBySide = 16
let pieceBytes = 1 << 20

func store(_ kind: String, _ place: String) async throws -> any BlobStore {
    switch kind {
    case "memory": return MemoryBlobs()
    case "disk": return try DiskBlobs(root: place)
    default:
        let environment = ProcessInfo.processInfo.environment
        let s3 = S3Blobs(
            try S3Configuration(place),
            retries: BlobRetries(sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0 ... .max) }),
            now: { Int64(Date().timeIntervalSince1970 * 1_000_000) }
        ) {
            S3Credentials(
                accessKeyID: environment["AWS_ACCESS_KEY_ID"] ?? "", secretAccessKey: environment["AWS_SECRET_ACCESS_KEY"] ?? "")
        }
        try await s3.prepare()
        return s3
    }
}

func key(_ name: String, _ number: Int) -> BlobKey {
    guard let key = BlobKey("bench/\(round)/\(name)/\(number)") else { fatalError("\(round) can't be part of a key") }
    return key
}

func write(_ key: BlobKey, pieces: [[UInt8]], into store: any BlobStore) async throws {
    let writer = try await store.writer(key)
    for piece in pieces { try await writer.append(piece) }
    _ = try await writer.finish()
}

func read(_ key: BlobKey, of store: any BlobStore) async throws -> Int {
    var bytes = 0
    for try await chunk in try await store.read(key, range: 0..<Int64.max) { bytes += chunk.count }
    return bytes
}

/// Does something with each of some blobs, several at a time.
func each(_ numbers: Range<Int>, atATime: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { tasks in
        for number in numbers {
            if number - numbers.lowerBound >= atATime { try await tasks.next() }
            tasks.addTask { try await body(number) }
        }
        try await tasks.waitForAll()
    }
}

let arguments = CommandLine.arguments.dropFirst()
let place = arguments.first == "memory" ? "" : arguments.dropFirst().first ?? ""
let numbers = arguments.suffix(3).compactMap { Int($0) }
guard let kind = arguments.first, ["memory", "disk", "s3"].contains(kind), numbers.count == 3 else {
    fatalError("BlobBench memory|disk FOLDER|s3 URL ROUND SMALL_COUNT LARGE_MIB")
}
let (round, count, mib) = (numbers[0], numbers[1], numbers[2])
// What is written can't be made shorter, whatever a store does.
let noise = (0..<8).map { _ in
    (0..<pieceBytes / 8).flatMap { _ in withUnsafeBytes(of: UInt64.random(in: 0 ... .max), Array.init) }
}
let small = Array(noise[0].prefix(smallBytes))
let blobs = try await store(kind, place)
var rates: [String: Double] = [:]

/// Notes how much of something is done in a second.
@MainActor func measure(_ name: String, amount: Double, _ body: () async throws -> Void) async throws {
    let began = ContinuousClock.now
    try await body()
    rates[name] = amount / ((ContinuousClock.now - began) / .seconds(1))
}

try await measure("smallWrites", amount: Double(count)) {
    for number in 0..<count { try await write(key("small", number), pieces: [small], into: blobs) }
}
try await measure("smallWritesSideBySide", amount: Double(count)) {
    try await each(count..<2 * count, atATime: sideBySide) { try await write(key("small", $0), pieces: [small], into: blobs) }
}
try await measure("smallReads", amount: Double(count)) {
    for number in 0..<count where try await read(key("small", number), of: blobs) != smallBytes {
        fatalError("a blob has another length")
    }
}
let megabytes = Double(mib << 20) / 1e6
try await measure("largeWrite", amount: megabytes) {
    try await write(key("large", 0), pieces: (0..<mib).map { noise[$0 % noise.count] }, into: blobs)
}
try await measure("largeRead", amount: megabytes) {
    guard try await read(key("large", 0), of: blobs) == mib << 20 else { fatalError("a blob has another length") }
}
try await measure("deletes", amount: Double(2 * count)) {
    for number in 0..<2 * count { try await blobs.delete(key("small", number)) }
}
try await blobs.delete(key("large", 0))
print(String(decoding: try JSONEncoder().encode(rates), as: UTF8.self))
if let s3 = blobs as? S3Blobs { try await s3.close() }
