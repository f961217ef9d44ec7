import Foundation
import HTTPTypes
import TenantData
import Testing
import WaybillDatabases
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Backups
@testable import ContentExport

extension BackupFixture {
    func delete(_ type: String, _ ids: [String], tenant: String = "acme") async throws {
        let tenant = try #require(TenantID(tenant))
        let now = tester.time.now()
        try await database.write(of: tenant) { session in
            let store = ContentStore()
            let writing = try store.writing(for: tenant, in: session)
            let found = try #require(try store.type(type, space: writing.space.id, in: session))
            for id in ids { #expect(try store.delete(id: id, of: found, by: writing, at: now, in: session)) }
        }
    }

    func drop(_ type: String, tenant: String = "acme") async throws {
        let tenant = try #require(TenantID(tenant))
        try await database.write(of: tenant) { session in
            let writing = try ContentStore().writing(for: tenant, in: session)
            #expect(try ContentStore().deleteType(type, by: writing, in: session))
        }
    }

    /// An increment of a backup, or of the newest one.
    func increment(
        of base: JobTester.Result? = nil, tenant: String = "acme", crashes: [JobTester.Crash] = []
    ) async throws -> JobTester.Result {
        let request = BackupRequest(entities: nil, blobs: true, since: base?.job.id.text ?? "last")
        let made = try await backup(request, tenant: tenant, crashes: crashes)
        #expect(made.job.state == .completed, "\(String(describing: made.job.failure))")
        return made
    }

    /// Restores a chain that was loaded down, and says what the restore has become.
    @discardableResult
    func restore(
        _ chain: [JobTester.Result], tenant: String = "acme", body: String = "{}", crashes: [JobTester.Crash] = []
    ) async throws -> JSONValue? {
        let token = try await token(tenant)
        let backups = try chain.map { try LoadedBackup($0) }
        let shown = ResultBox()
        try await serve { caller in
            let id = try await caller.upload(chain: backups, token, body: body)
            let started = try await caller.send(.post, "/backup/restores/\(id)/start", token)
            try #require(started.status == 202, "\(started.text)")
            let job = try #require(started.json?["jobId"]?.string.flatMap { JobID($0) })
            _ = try await tester.finish(job, crashes: crashes)
            shown.set(try await caller.restore(id, token))
        }
        while case .worked = try await database.write({ try ContentStore().sweep(in: $0) }) {}
        return shown.value
    }

    /// The files of a full backup now, but for keys, which a restore revokes.
    func state(_ tenant: String = "acme") async throws -> [String: String] {
        var files = try await backup(tenant: tenant).files()
        files["api-keys.csv"] = nil
        return files
    }
}

/// What a closure that serves leaves.
final class ResultBox: @unchecked Sendable {
    // Safe because it is set before `serve` returns, and read after it.
    private(set) var value: JSONValue?
    func set(_ value: JSONValue?) { self.value = value }
}

extension Caller {
    /// Opens a restore and uploads a full backup and its increments.
    func upload(chain: [LoadedBackup], _ headers: HTTPFields, body: String = "{}") async throws -> String {
        let opened = try await send(.post, "/backup/restores", headers, body: body)
        #expect(opened.status == 201, "\(opened.text)")
        let id = try #require(opened.json?["id"]?.string)
        for (number, backup) in chain.enumerated() {
            for (name, text) in backup.files.sorted(by: { $0.key < $1.key }) {
                let answer = try await put(id, name, Array(text.utf8), headers, backup: number)
                #expect(answer.status == 200, "\(answer.text)")
            }
            for (name, bytes) in backup.blobs {
                let answer = try await put(id, name, bytes, headers, backup: number)
                #expect(answer.status == 200, "\(answer.text)")
            }
            let answer = try await put(id, BackupManifest.fileName, backup.manifest, headers, backup: number)
            #expect(answer.status == 200, "\(answer.text)")
        }
        return id
    }

    func put(_ id: String, _ name: String, _ bytes: [UInt8], _ headers: HTTPFields, backup: Int) async throws -> Answer {
        try await put(id, backup == 0 ? name : "\(name)?backup=\(backup)", bytes, headers)
    }
}

extension JobTester.Result {
    /// What each entity of an increment says of itself.
    func scopes() throws -> [String: String] {
        let entities = try manifest().entities
        return Dictionary(entities.map { ($0.name, $0.scope?.rawValue ?? "none") }) { $1 }
    }

    func lines(_ file: String) throws -> [String] {
        let text = try #require(try files()[file], "there is no \(file)")
        return text.components(separatedBy: "\r\n").dropFirst().dropLast().map(\.self)
    }
}
