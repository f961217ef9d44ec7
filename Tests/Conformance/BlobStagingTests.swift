import Foundation
import Testing
import WaybillBlobs
import WaybillDiskBlobs

/// A place for files that are being filled, with the store that gets them.
struct StagingDriver: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var open: @Sendable (TemporaryFolder) throws -> (staging: any BlobStaging, blobs: any BlobStore)

    static let all = [
        StagingDriver(testDescription: "memory") { _ in
            let blobs = MemoryBlobs()
            return (MemoryStaging(blobs), blobs)
        },
        StagingDriver(testDescription: "disk") { folder in
            let blobs = try DiskBlobs(root: folder.path)
            return (blobs.staging, blobs)
        },
        StagingDriver(testDescription: "spool") { folder in
            let blobs = MemoryBlobs()
            return (SpooledStaging(DiskStaging(spool: folder.path), store: blobs, place: "here"), blobs)
        },
    ]

    func withStaging(_ body: (any BlobStaging, any BlobStore) async throws -> Void) async throws {
        let folder = try TemporaryFolder()
        let (staging, blobs) = try open(folder)
        try await body(staging, blobs)
        withExtendedLifetime(folder) {}
    }
}

@Suite struct BlobStagingTests {
    private func key(_ text: String) throws -> BlobKey { try #require(BlobKey(text)) }

    private func bytes(_ chunks: BlobChunks) async throws -> [UInt8] {
        var all: [UInt8] = []
        for try await chunk in chunks { all += chunk }
        return all
    }

    @Test("a file is filled at any place, read, and becomes a blob of as many bytes as are wanted", arguments: StagingDriver.all)
    func filling(driver: StagingDriver) async throws {
        try await driver.withStaging { staging, blobs in
            let name = try key("upload-1")
            #expect(try await staging.length(name) == nil)
            let file = try await staging.open(name)
            try await file.write([4, 5, 6, 7], at: 3)
            try await file.write([1, 2, 3], at: 0)
            try await file.flush()
            #expect(try await bytes(file.read(1..<5)) == [2, 3, 4, 5])
            #expect(try await bytes(file.read(5..<100)) == [6, 7])
            await file.close()
            #expect(try await staging.length(name) == 7)
            #expect(try await staging.list(after: nil, limit: 10).map(\.key) == [name])
            try await staging.publish(name, length: 6, as: key("files/a/upload-1"))
            #expect(try await bytes(blobs.read(key("files/a/upload-1"), range: 0..<10)) == [1, 2, 3, 4, 5, 6])
            #expect(try await staging.length(name) == nil)
            #expect(try await staging.list(after: nil, limit: 10).isEmpty)
        }
    }

    @Test("publishing may be done again, and what is missing or too short is refused", arguments: StagingDriver.all)
    func again(driver: StagingDriver) async throws {
        try await driver.withStaging { staging, _ in
            let (name, blob) = (try key("n"), try key("files/a/n"))
            await #expect(throws: BlobError.self) { try await staging.publish(name, length: 1, as: blob) }
            let file = try await staging.open(name)
            try await file.write([1, 2], at: 0)
            try await file.flush()
            await file.close()
            await #expect(throws: BlobError.self) { try await staging.publish(name, length: 3, as: blob) }
            for _ in 0..<2 { try await staging.publish(name, length: 2, as: blob) }
            await #expect(throws: BlobError.self) { try await staging.publish(name, length: 1, as: blob) }
        }
    }

    @Test("an empty file becomes an empty blob, and what is dropped is gone", arguments: StagingDriver.all)
    func empty(driver: StagingDriver) async throws {
        try await driver.withStaging { staging, blobs in
            await (try staging.open(key("e"))).close()
            try await staging.publish(key("e"), length: 0, as: key("files/e"))
            #expect(try await blobs.length(key("files/e")) == 0)
            await (try staging.open(key("d"))).close()
            for _ in 0..<2 { try await staging.drop(key("d")) }
            #expect(try await staging.length(key("d")) == nil)
        }
    }

    @Test("many writers of many files at once: each finds its own bytes", arguments: StagingDriver.all)
    func many(driver: StagingDriver) async throws {
        try await driver.withStaging { staging, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    for part in 0..<4 {
                        group.addTask {
                            let file = try await staging.open(try #require(BlobKey("f\(number)")))
                            try await file.write(
                                [UInt8](repeating: UInt8(number * 4 + part), count: 1000), at: Int64(part * 1000))
                            try await file.flush()
                            await file.close()
                        }
                    }
                }
                try await group.waitForAll()
            }
            for number in 0..<8 {
                let file = try await staging.open(key("f\(number)"))
                let all = try await bytes(file.read(0..<4000))
                var expected: [UInt8] = []
                for part in 0..<4 { expected += [UInt8](repeating: UInt8(number * 4 + part), count: 1000) }
                #expect(all == expected)
                await file.close()
            }
        }
    }

    @Test("scratch files have their own bytes, wherever they are written, and no name", arguments: StagingDriver.all)
    func scratch(driver: StagingDriver) async throws {
        try await driver.withStaging { staging, _ in
            let (one, other) = try await (staging.scratch(), staging.scratch())
            try await one.write([4, 5, 6], at: 3)
            try await one.write([1, 2, 3], at: 0)
            try await other.write([UInt8](repeating: 9, count: 3 << 20), at: 0)
            #expect(try await bytes(one.read(0..<6)) == [1, 2, 3, 4, 5, 6])
            #expect(try await bytes(one.read(2..<100)) == [3, 4, 5, 6])
            #expect(try await bytes(other.read(1..<2 << 20)).count == (2 << 20) - 1)
            #expect(try await bytes(other.read(3 << 20..<4 << 20)).isEmpty)
            #expect(try await staging.list(after: nil, limit: 10).isEmpty)
            await one.close()
            await other.close()
        }
    }

    @Test("on disk, what was filled outlives the process, and is moved to its place, not copied")
    func disk() async throws {
        let folder = try TemporaryFolder()
        let first = try DiskBlobs(root: folder.path)
        let file = try await first.staging.open(key("u"))
        try await file.write([1, 2, 3], at: 0)
        try await file.flush()
        await file.close()
        #expect(folder.files() == ["staged/u"])
        func inode(_ path: String) throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: "\(folder.path)/\(path)")[.systemFileNumber] as? Int
        }
        let number = try inode("staged/u")
        let second = try DiskBlobs(root: folder.path)
        #expect(try await second.staging.length(key("u")) == 3)
        try await second.staging.publish(key("u"), length: 3, as: key("files/a/u"))
        #expect(folder.files() == ["blobs/files/a/u"])
        #expect(try inode("blobs/files/a/u") == number)
        #expect(try folder.permissions("blobs/files/a/u") == 0o600)
    }

    @Test("a name with several parts is refused", arguments: ["a/b"])
    func names(text: String) async throws {
        let folder = try TemporaryFolder()
        let staging = try DiskBlobs(root: folder.path).staging
        await #expect(throws: BlobError.self) { _ = try await staging.open(key(text)) }
    }
}
