import Foundation
import Testing
import WaybillBlobs
import WaybillDiskBlobs

@Suite struct DiskBlobsTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test("a blob lies under its key, for its owner only")
    func layout() async throws {
        let store = try DiskBlobs(root: folder.path)
        try await store.put(key("a/b/c.csv"), [[1]])
        #expect(folder.files() == ["blobs/a/b/c.csv"])
        #expect(try folder.permissions("blobs/a/b/c.csv") == 0o600)
        #expect(try folder.permissions("blobs/a/b") == 0o700)
        let entry = try #require(try await store.list(prefix: "", after: nil, limit: 1).first)
        #expect(entry.modifiedAt > 1_700_000_000_000_000)
    }

    @Test("deleting the last blob of a folder removes the folder")
    func emptyFolders() async throws {
        let store = try DiskBlobs(root: folder.path)
        try await store.put(key("a/b/c"), [[1]])
        try await store.put(key("a/d"), [[1]])
        try await store.delete(key("a/b/c"))
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/blobs/a/b"))
        try await store.delete(key("a/d"))
        #expect(!FileManager.default.fileExists(atPath: folder.path + "/blobs/a"))
        #expect(FileManager.default.fileExists(atPath: folder.path + "/blobs"))
    }

    @Test(
        "a blob that ends with a piece of its file, just before or behind it, is whole, on any file system",
        arguments: [524_287, 524_288, 524_289, 1_048_576, 1_310_720, 2_097_153], TemporaryFolder.places)
    func pieces(length: Int, place: String) async throws {
        let other = try TemporaryFolder(in: place)
        let store = try DiskBlobs(root: other.path)
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 9) }
        for size in [length, 300_000, 4097] {
            let chunks = stride(from: 0, to: length, by: size).map { Array(bytes[$0..<min(length, $0 + size)]) }
            let digest = try await store.put(key("a/\(size)"), chunks)
            #expect(digest.length == Int64(length))
            #expect(try await store.get(key("a/\(size)")) == bytes)
        }
        withExtendedLifetime(other) {}
    }

    @Test("what was abandoned leaves no file")
    func abandoned() async throws {
        let store = try DiskBlobs(root: folder.path)
        let writer = try await store.writer(key("a/b"))
        for _ in 0..<20 { try await writer.append(Array(repeating: 1, count: 300_000)) }
        #expect(folder.files().count == 1)
        await writer.abandon()
        #expect(folder.files() == [])
    }

    @Test("what a crash left is removed by the next start, blobs stay")
    func leftovers() async throws {
        let store = try DiskBlobs(root: folder.path)
        try await store.put(key("kept"), [[1]])
        let writer = try await store.writer(key("lost"))
        try await writer.append([1, 2, 3])
        _ = try DiskBlobs(root: folder.path)
        #expect(folder.files() == ["blobs/kept"])
        await writer.abandon()
    }

    @Test("an error while writing is told and leaves nothing")
    func writeError() async throws {
        let store = try DiskBlobs(root: folder.path)
        // A file where the key needs a folder.
        try await store.put(key("a"), [[1]])
        await #expect(throws: BlobError.self) { try await store.put(key("a/b"), [[2]]) }
        #expect(folder.files() == ["blobs/a"])
    }

    @Test("a blob that was cut short is told as damaged")
    func cutShort() async throws {
        let store = try DiskBlobs(root: folder.path)
        try await store.put(key("a"), [Array(repeating: 1, count: 3_000_000)])
        let error = await #expect(throws: BlobError.self) {
            for try await _ in try await store.read(key("a"), range: 0..<3_000_000) {
                let file = try FileHandle(forWritingTo: URL(filePath: folder.path + "/blobs/a"))
                try file.truncate(atOffset: 1_500_000)
                try file.close()
            }
        }
        #expect(error?.code == .damaged)
    }
}
