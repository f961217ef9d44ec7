import Administration
import AuditLog
import AuditTrail
import Backups
import ContentExport
import Crypto
import Datasets
import Drive
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Jobs
import Logging
import NIOCore
import Notify
import PostgresFixture
import Synchronization
import Testing
import WaybillBlobs
import WaybillDatabases
import WaybillEngine
import Web

@testable import Assembly

/// All doors on PostgreSQL, with a record of what they ask of it. Jobs are run by another engine, whose statements are not in it.
struct Doors: Sendable {
    let database: LeasedDatabase
    let record: RecordingDatabase
    private let mount: @Sendable (RouteCatalog) -> Void
    let floor: WebFloor
    let notify: NotifyService
    private let worker: JobEngine

    init() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let time = SystemTime()
        database = try await LeasedDatabase()
        try await Migrations.migrator.migrate(database, now: time.now().microseconds)
        let isolation = database.tenantIsolation
        try #require(isolation == .enforced(role: "waybill_tenant"))
        record = RecordingDatabase(database)
        let blobs = MemoryBlobs()
        let audit = AuditStore(isEnabled: true)
        let key = try #require(SigningKey(text: "a key for tests, thirty-two bytes or more"))
        floor = WebFloor(
            database: record, audit: audit, key: key, time: time, random: SystemRandom.bytes, logger: logger)
        let own = WebFloor(
            database: database, audit: audit, key: key, time: time, random: SystemRandom.bytes, logger: logger)
        let folder = NSTemporaryDirectory()
        let backups = BackupFeature.Configuration(
            archiveBytes: 1 << 20, maxAttempts: 3, jobDeadline: .seconds(600), version: "test")
        let scratch = DrillScratch(
            database: database, registry: Entities.registry,
            erasers: [
                { [database] tenant in try await database.write { try ContentFeature.eraseSlice(of: tenant, in: $0) } },
                { [database] tenant in try await database.write { try BackupFeature.eraseSlice(of: tenant, in: $0) } },
                { [database] tenant in try await database.write { try NotifyStore().erase(tenant, in: $0) } },
                { [database] tenant in try await database.write { try audit.eraseSlice(of: tenant, in: $0) } },
                { [database] tenant in try await database.write { try own.eraseSlice(of: tenant, in: $0) } },
            ])
        let backupHandlers = BackupFeature.handlers(
            database: database, registry: Entities.registry, datasets: try await DatasetCatalog([], logger: logger),
            rights: own.rights, blobs: blobs, audit: audit, keys: BackupKeys(key), time: time, random: SystemRandom.bytes,
            scratch: scratch, configuration: backups)
        let uploads = RunningDrive()
        let handlers =
            ContentFeature.handlers(
                database: database, blobs: blobs, rights: own.rights, datasets: NoDatasets(), audit: audit,
                temporaryFolder: folder)
            + AuditLogFeature.handlers(database: database, rights: own.rights, time: time) + backupHandlers
            + DriveFeature.handlers(uploads)
        func engine(_ database: any SQLDatabase) -> JobEngine {
            JobEngine(
                database: database, blobs: blobs, handlers: JobHandlers(handlers), name: "test", time: time, logger: logger)
        }
        worker = engine(database)
        let asked = engine(record)
        let content = ContentFeature(
            floor: floor, engine: asked, database: record, blobs: blobs, datasets: NoDatasets(),
            configuration: .init(
                linkLifetime: .seconds(60), publicURL: "", maxAttempts: 3, jobDeadline: .seconds(600), temporaryFolder: folder))
        let auditLog = AuditLogFeature(
            floor: floor, engine: asked, database: record, blobs: blobs,
            configuration: .init(
                linkLifetime: .seconds(60), publicURL: "", maxAttempts: 3, jobDeadline: .seconds(600), rowsPerFile: 50))
        notify = NotifyService(
            database: database, engine: worker,
            styles: NoticeStyles([
                ContentFeature.exportKind: NoticeStyle(noun: "Export", link: "/content/export/{jobId}", counters: [])
            ]),
            time: time, logger: logger)
        let drive = DriveFeature(
            floor: floor, engine: asked, database: record, stores: BlobStores(.init(blobs, staging: MemoryStaging(blobs))),
            configuration: .init(),
            running: uploads)
        mount = { [floor, record] catalog in
            drive.mount(catalog)
            JobRoutes(floor: floor, engine: asked, blobs: blobs).mount(catalog)
            content.mount(catalog)
            auditLog.mount(catalog)
            BackupFeature(
                floor: floor, engine: asked, database: record, blobs: blobs, registry: Entities.registry,
                keys: BackupKeys(key), configuration: backups
            ).mount(catalog)
            AdministrationFeature(floor: floor, engine: asked) { UUID().uuidString.lowercased() }.mount(catalog)
            NotifyRoutes(floor: floor, database: record).mount(catalog)
        }
    }

    func catalog() -> RouteCatalog {
        let catalog = RouteCatalog(floor)
        mount(catalog)
        return catalog
    }

    /// Runs the jobs that wait.
    func work() async throws {
        while try await worker.runNext() != nil {}
        try await notify.catchUp()
    }

    func serve(_ test: @Sendable (any TestClientProtocol) async throws -> Void) async throws {
        try await Application(responder: catalog().responder(), logger: floor.logger).test(.router, test)
    }

    func token(_ tenant: String, roles: Set<String> = ["admin"]) throws -> HTTPFields {
        let tenant = try #require(TenantID(tenant))
        let token = floor.tokens.sign(tenant: tenant, user: "ann", roles: roles, lifetime: .seconds(600), now: floor.time.now())
        return [.authorization: "Bearer \(token.token)"]
    }
}

private struct NoDatasets: DatasetOpener {
    func check(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws {
        throw Problem.notFound()
    }

    func open(_ name: String, _ request: ContentExportRequest, for principal: Principal) async throws -> OpenDataset {
        throw Problem.notFound()
    }
}

/// Goes through every door of a tenant, once.
struct Visit: Sendable {
    let client: any TestClientProtocol
    let doors: Doors
    let headers: HTTPFields
    /// Hears of each request before and after.
    let watching: @Sendable (_ operation: String) async throws -> Void

    /// Sends a request, and expects it to be answered well.
    @discardableResult
    func send(
        _ method: HTTPRequest.Method, _ template: String, _ values: [String: String] = [:], query: String = "",
        body: String? = nil, media: String = "application/json", more: HTTPFields = [:]
    ) async throws -> JSONValue? {
        var path = template
        for (name, value) in values { path = path.replacing("{\(name)}", with: value) }
        var headers = headers
        headers[.idempotencyKey] = method == .get ? nil : UUID().uuidString
        if body != nil { headers[.contentType] = media }
        for field in more { headers[field.name] = field.value }
        let answer = try await client.execute(
            uri: path + query, method: method, headers: headers, body: body.map { ByteBuffer(string: $0) })
        #expect((200..<300).contains(answer.status.code), "\(method) \(path): \(String(buffer: answer.body))")
        try await watching("\(method) \(template)")
        return try? JSONValue.parse(Array(answer.body.readableBytesView))
    }

    func all() async throws {
        let export = try await content()
        try await exports(export)
        try await imports()
        try await jobs()
        try await auditLog()
        try await backups()
        try await drive()
        let keys = try await send(.post, "/apikeys", body: #"{"user": "bot", "roles": ["reader"]}"#)
        try await send(.get, "/apikeys")
        try await send(.delete, "/apikeys/{keyId}", ["keyId": text(keys, "id")])
        let notices = try await send(.get, "/notifications")
        let first = try #require(notices?["notifications"]?.array?.first)
        try await send(.post, "/notifications/{id}/read", ["id": text(first, "id")])
        try await send(.delete, "/content/types/{type}/items/{id}", ["type": "note", "id": "n1"])
        try await send(.delete, "/content/types/{type}", ["type": "spare"])
    }

    private func text(_ json: JSONValue?, _ name: String) throws -> String { try #require(json?[name]?.string) }

    /// - Returns: the id of an export of it that has completed.
    private func content() async throws -> String {
        let fields = #"{"fields": [{"name": "title", "type": "text", "indexed": true}], "readers": ["everyone"]}"#
        for type in ["note", "spare"] { try await send(.put, "/content/types/{type}", ["type": type], body: fields) }
        try await send(.get, "/content/types")
        try await send(.get, "/content/types/{type}", ["type": "note"])
        try await send(
            .put, "/content/types/{type}/items/{id}", ["type": "note", "id": "n1"],
            body: #"{"title": "one", "readers": ["role:admin"]}"#)
        try await send(.get, "/content/types/{type}/items/{id}", ["type": "note", "id": "n1"])
        let lines = (2...9).map { #"{"id": "n\#($0)", "title": "t\#($0)", "language": "en"}"# }.joined(separator: "\n")
        try await send(
            .post, "/content/types/{type}/items", ["type": "note"], body: lines, media: "application/x-ndjson")
        let id = try await start()
        try await doors.work()
        return id
    }

    private func start() async throws -> String {
        try text(await send(.post, "/content/export", body: #"{"contentType": "note", "format": "csv"}"#), "jobId")
    }

    private func exports(_ id: String) async throws {
        try await send(.get, "/content/export")
        try await send(.get, "/content/export/{jobId}", ["jobId": id])
        try await send(.get, "/content/export/{jobId}/monitor", ["jobId": id])
        try await send(.get, "/content/export/{jobId}/download", ["jobId": id])
        try await send(.delete, "/content/export/{jobId}", ["jobId": id])
        try await send(.post, "/content/export/{jobId}/cancel", ["jobId": try await start()])
    }

    private func imports() async throws {
        func start() async throws -> String {
            try text(
                await send(
                    .post, "/content/import", query: "?contentType=note&onError=continue",
                    body: "id,title\ni1,one\ni2\n", media: "text/csv"), "jobId")
        }
        let id = try await start()
        try await doors.work()
        try await send(.get, "/content/import")
        try await send(.get, "/content/import/{jobId}", ["jobId": id])
        try await send(.get, "/content/import/{jobId}/monitor", ["jobId": id])
        try await send(.get, "/content/import/{jobId}/failed", ["jobId": id])
        try await send(.get, "/content/import/{jobId}/ledger", ["jobId": id])
        try await send(.post, "/content/import/{jobId}/cancel", ["jobId": try await start()])
    }

    private func auditLog() async throws {
        let path = "/_api/v3/audit-log-bulk-export"
        func start() async throws -> String {
            try text(await send(.post, path, body: #"{"filters": {"actions": ["LOGIN"]}}"#), "jobId")
        }
        try await send(
            .post, "/audit-log/events",
            body: #"[{"id": "1", "user": "bob", "action": "LOGIN", "at": "2026-11-22T09:30:00Z", "target": "app"}]"#)
        try await send(.get, "/audit-log/events")
        let id = try await start()
        try await doors.work()
        try await send(.get, path)
        try await send(.get, "\(path)/{jobId}", ["jobId": id])
        try await send(.get, "\(path)/{jobId}/monitor", ["jobId": id])
        try await send(.get, "\(path)/{jobId}/download", ["jobId": id])
        try await send(.delete, "\(path)/{jobId}", ["jobId": id])
        try await send(.post, "\(path)/{jobId}/cancel", ["jobId": try await start()])
        // One that is left to be run.
        _ = try await start()
    }

    private func backups() async throws {
        func start(_ body: String? = nil) async throws -> String {
            try text(await send(.post, "/backup/schedule", body: body), "jobId")
        }
        let passphrase = #"{"passphrase": "correct horse battery"}"#
        // SHA-256 of what is in the file.
        let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        try await send(.post, "/api/files", query: "?name=kept", body: "hello", media: "text/plain")
        let id = try await start()
        try await doors.work()
        try await send(.get, "/backup/jobs")
        try await send(.get, "/backup/jobs/{jobId}", ["jobId": id])
        try await send(.get, "/backup/jobs/{jobId}/download", ["jobId": id])
        try await send(.get, "/backup/jobs/{jobId}/archives/{name}", ["jobId": id, "name": "notices.csv"])
        try await send(.get, "/backup/jobs/{jobId}/archives/blobs/{digest}", ["jobId": id, "digest": digest])
        try await send(.delete, "/backup/jobs/{jobId}", ["jobId": id])
        try await send(.post, "/backup/jobs/{jobId}/cancel", ["jobId": try await start()])
        // A drill has no passphrase.
        let plain = try await start()
        try await doors.work()
        let kept = try await start(passphrase)
        try await doors.work()
        let drill = try text(await send(.post, "/backup/drills", body: #"{"jobId": "\#(plain)"}"#), "jobId")
        try await doors.work()
        try await send(.get, "/backup/drills")
        try await send(.get, "/backup/drills/{jobId}", ["jobId": drill])
        let opened = try text(await send(.post, "/backup/restores", body: #"{"mode": "replace"}"#), "id")
        let document = ["id": opened, "name": "notices.csv"]
        try await send(.put, "/backup/restores/{id}/documents/{name}", document, body: "a\n", media: "text/csv")
        try await send(
            .put, "/backup/restores/{id}/documents/blobs/{digest}", ["id": opened, "digest": digest], body: "hello",
            media: "application/octet-stream")
        let since = #"{"since": "\#(kept)"}"#
        let increment = try text(await send(.post, "/backup/schedule", body: since), "jobId")
        try await doors.work()
        let body = #"{"mode": "replace", "from": "\#(increment)"}"#
        let restore = try text(await send(.post, "/backup/restores", body: body), "id")
        try await send(.get, "/backup/restores")
        try await send(.get, "/backup/restores/{id}", ["id": restore])
        try await send(.post, "/backup/restores/{id}/start", ["id": restore], body: passphrase)
        try await doors.work()
        try await send(.post, "/backup/restores/{id}/undo", ["id": restore])
        try await send(.delete, "/backup/restores/{id}", ["id": restore])
        // One that waits to be started.
        _ = try await send(.post, "/backup/restores", body: body)
        let schedule = try text(await send(.post, "/backup/schedule", body: #"{"cron": "0 3 * * *"}"#), "scheduleId")
        try await send(.get, "/backup/schedules")
        try await send(.delete, "/backup/schedules/{scheduleId}", ["scheduleId": schedule])
        // One that waits, with its passphrase.
        try await send(.post, "/jobs/{jobId}/pause", ["jobId": try await start(passphrase)])
    }

    private func drive() async throws {
        for prefix in ["/api/files/upload", "/drive/files/upload"] {
            func begin(_ content: String) async throws -> String {
                let hash = SHA256.hash(data: Array(content.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                let body = #"""
                    {"fileName": "a", "fileSize": \#(content.utf8.count), "contentType": "text/plain", "hash": "\#(hash)"}
                    """#
                return try text(await send(.post, "\(prefix)/create", body: body), "taskId")
            }
            let words = "some bytes of \(prefix)"
            let id = ["taskId": try await begin(words), "chunkIndex": "0"]
            try await send(
                .post, "\(prefix)/chunk/{taskId}/{chunkIndex}", id, body: words, media: "application/octet-stream")
            for look in ["progress/{taskId}", "resume/{taskId}", "tasks/{taskId}/details", "tasks", "tasks/recent", "stats"] {
                try await send(.get, "\(prefix)/\(look)", id)
            }
            try await send(.post, "\(prefix)/complete/{taskId}", id)
            try await send(.delete, "\(prefix)/task/{taskId}", ["taskId": try await begin("other \(prefix)")])
            try await send(.delete, "\(prefix)/tasks/cleanup")
            // One that is left open.
            _ = try await begin("more \(prefix)")
        }
        try await files()
        try await tus()
        try await resumable()
    }

    private func tus() async throws {
        func fields(_ more: (String, String)...) throws -> HTTPFields {
            var fields = HTTPFields()
            for (name, value) in [("Tus-Resumable", "1.0.0")] + more {
                fields[try #require(HTTPField.Name(name))] = value
            }
            return fields
        }
        func begin() async throws -> [String: String] {
            try await send(.post, "/api/files/tus", more: try fields(("Upload-Length", "5")))
            let newest = try await send(.get, "/api/files/upload/tasks", query: "?sortBy=createdAt")
            return ["id": try text(newest?.array?.first, "taskId")]
        }
        let path = "/api/files/tus/{id}"
        let id = try await begin()
        try await send(
            .patch, path, id, body: "bytes", media: "application/offset+octet-stream", more: try fields(("Upload-Offset", "0")))
        try await send(.head, path, id, more: try fields())
        try await send(.delete, path, id, more: try fields())
        try await send(.post, path, try await begin(), more: try fields(("X-HTTP-Method-Override", "DELETE")))
        // A file that waits for a part.
        try await send(.post, "/api/files/tus", more: try fields(("Upload-Length", "5"), ("Upload-Concat", "partial")))
        let newest = try await send(.get, "/api/files/upload/tasks", query: "?sortBy=createdAt")
        let part = try text(newest?.array?.first, "taskId")
        try await send(.post, "/api/files/tus", more: try fields(("Upload-Concat", "final;/api/files/tus/\(part)")))
    }

    private func resumable() async throws {
        func fields(_ all: (String, String)...) throws -> HTTPFields {
            var fields = HTTPFields()
            for (name, value) in all { fields[try #require(HTTPField.Name(name))] = value }
            return fields
        }
        for prefix in ["/api/files/resumable", "/drive/files/resumable"] {
            func begin() async throws -> [String: String] {
                try await send(.post, prefix, more: try fields(("Upload-Complete", "?0")))
                let newest = try await send(.get, "/api/files/upload/tasks", query: "?sortBy=createdAt")
                return ["id": try text(newest?.array?.first, "taskId")]
            }
            let id = try await begin()
            try await send(.get, "\(prefix)/{id}", id)
            try await send(
                .patch, "\(prefix)/{id}", id, body: "all of \(prefix)", media: "application/partial-upload",
                more: try fields(("Upload-Offset", "0"), ("Upload-Complete", "?1")))
            try await send(.delete, "\(prefix)/{id}", try await begin())
        }
    }

    private func files() async throws {
        let bundles = [
            try text(await send(.post, "/api/bundles", body: #"{"name": "one"}"#), "id"),
            try text(await send(.post, "/api/bundles", body: #"{"name": "two"}"#), "id"),
        ]
        let file = try text(
            await send(.post, "/api/files", query: "?name=x", body: "plain", media: "text/plain"), "id")
        try await send(.get, "/api/files")
        for path in ["/api/files/{id}", "/api/files/{id}/content", "/api/files/{id}/link"] {
            try await send(.get, path, ["id": file])
        }
        try await send(.patch, "/api/files/{id}", ["id": file], body: #"{"bundleId": "\#(bundles[0])"}"#)
        try await send(.get, "/api/bundles")
        for path in ["/api/bundles/{id}", "/api/bundles/{id}/link"] { try await send(.get, path, ["id": bundles[0]]) }
        try await send(.delete, "/api/bundles/{id}", ["id": bundles[1]])
        try await send(.delete, "/api/files/{id}", ["id": file])
        let pools = [
            try text(await send(.post, "/api/pools", body: #"{"name": "one"}"#), "id"),
            try text(await send(.post, "/api/pools", body: #"{"name": "two"}"#), "id"),
        ]
        try await send(.get, "/api/pools")
        try await send(.get, "/api/pools/{id}", ["id": pools[0]])
        try await send(.put, "/api/pools/{id}", ["id": pools[0]], body: #"{"name": "first"}"#)
        try await send(.delete, "/api/pools/{id}", ["id": pools[1]])
        try await send(.get, "/api/quota")
        try await send(.put, "/api/quota", body: #"{"bytes": 1000000}"#)
    }

    private func jobs() async throws {
        let id = try await start()
        try await send(.get, "/jobs")
        try await send(.get, "/jobs/{jobId}", ["jobId": id])
        try await send(.get, "/jobs/{jobId}/events", ["jobId": id])
        for action in ["pause", "resume", "cancel", "retry"] {
            try await send(.post, "/jobs/{jobId}/\(action)", ["jobId": id])
        }
    }
}
