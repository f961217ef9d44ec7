import Foundation
import WaybillBlobs
import WaybillS3Blobs

// Uploads a file to a bucket and prints its SHA-256.
//
//   UploadBench s3://BUCKET?endpoint=… KEY FILE

let arguments = CommandLine.arguments
let environment = ProcessInfo.processInfo.environment
guard arguments.count == 4, let key = BlobKey(arguments[2]), let file = FileHandle(forReadingAtPath: arguments[3]) else {
    fatalError("UploadBench URL KEY FILE")
}
let store = S3Blobs(
    try S3Configuration(arguments[1]),
    retries: BlobRetries(sleep: { try await Task.sleep(for: $0) }, random: { .random(in: 0 ... .max) }),
    now: { Int64(Date().timeIntervalSince1970 * 1_000_000) }
) {
    S3Credentials(
        accessKeyID: environment["AWS_ACCESS_KEY_ID"] ?? "", secretAccessKey: environment["AWS_SECRET_ACCESS_KEY"] ?? "")
}
try await store.prepare()
let writer = try await store.writer(key)
while let chunk = try file.read(upToCount: 1 << 20), !chunk.isEmpty { try await writer.append([UInt8](chunk)) }
let digest = try await writer.finish()
print(digest.sha256.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
try await store.close()
