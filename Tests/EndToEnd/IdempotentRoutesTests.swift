import Crypto
import Foundation
import Testing

/// Every route that changes something, driven twice with one key.
@Suite struct IdempotentRoutesTests {
    /// The operations that were driven, and how.
    private actor Driver {
        private(set) var driven: Set<String> = []

        /// Sends a request twice with one key, and then another one with it.
        /// - Parameter other: another body, which must be refused.
        /// - Returns: the first answer.
        @discardableResult
        func twice(
            _ operation: String, _ user: User, _ method: String, _ path: String, _ body: String? = nil,
            type: String = "application/json", headers: [(name: String, value: String)] = [], other: String? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) async throws -> RawResponse {
            driven.insert(operation)
            func send(_ body: String?, _ path: String) async throws -> RawResponse {
                try await user.send(
                    method, path, body.map { Array($0.utf8) } ?? (method == "POST" ? [] : nil), type: body == nil ? nil : type,
                    headers: [("Idempotency-Key", "key-of-\(operation)")] + headers, sourceLocation: sourceLocation)
            }
            let first = try await send(body, path)
            #expect(200..<300 ~= first.status, "\(operation): \(first.status) \(first.text)", sourceLocation: sourceLocation)
            #expect(first["Idempotent-Replayed"] == nil, "\(operation)", sourceLocation: sourceLocation)
            let again = try await send(body, path)
            #expect(
                again.status == first.status && again.body == first.body, "\(operation): \(again.text)",
                sourceLocation: sourceLocation)
            #expect(again["Idempotent-Replayed"] == "true", "\(operation)", sourceLocation: sourceLocation)
            #expect(
                again["Location"] == first["Location"] && again["Content-Type"] == first["Content-Type"],
                sourceLocation: sourceLocation)
            if let other {
                let refused = try await send(other, path)
                #expect(refused.status == 422, "\(operation): \(refused.status)", sourceLocation: sourceLocation)
                #expect(try refused.json()["code"]?.string == "IDEMPOTENCY_KEY_REUSED", sourceLocation: sourceLocation)
            }
            return first
        }
    }

    @Test("every route that changes something honours Idempotency-Key: the same answer, and nothing is done twice")
    func all() async throws {
        try await withOneWorker { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            let system = try await server.user("ops", of: "operations", "system")
            let driver = Driver()
            try await content(ada, driver)
            let ended = try #require(try await ada.exported()["jobId"]?.string)
            try await restores(ada, driver)
            let worker = try await server.holdWorker()
            let export = try await exports(ada, driver)
            try await controls(export, ada, driver)
            try await imports(ada, driver)
            try await auditLog(ada, driver)
            try await backups(ada, driver)
            try await worker.release()
            try await drive(ada, driver)
            try await driver.twice("revokeExport", ada, "DELETE", "/content/export/\(ended)")
            let notice = try await poll("a notice") {
                try await ada.get("/notifications").json()["notifications"]?[0]?["id"]?.string
            }
            try await driver.twice("readNotification", ada, "POST", "/notifications/\(notice)/read")
            try await keys(ada, driver)
            try await driver.twice("deleteItem", ada, "DELETE", "/content/types/page/items/one")
            try await driver.twice("deleteContentType", ada, "DELETE", "/content/types/page")
            try await driver.twice("eraseTenant", system, "DELETE", "/tenants/acme")
            #expect(try await system.post("/jobs/0198c000-0000-7000-8000-000000000000/cancel").status == 404)
            let code = try #require(server.signInCode)
            try await driver.twice("signIn", User.nobody(server), "POST", "/session", #"{"code": "\#(code)"}"#)
            #expect(
                try await User.nobody(server).post("/session", #"{"code": "\#(code)"}"#).status == 401,
                "without the key it is used")

            let document = try await User.nobody(server).get("/openapi.json").json()
            var changing: Set<String> = []
            for (path, methods) in document["paths"]?.object ?? [:] {
                for (method, operation) in methods.object ?? [:] where !["get", "head", "options"].contains(method) {
                    let name = try #require(operation["operationId"]?.string)
                    changing.insert(name)
                    let parameters = operation["parameters"]?.array?.compactMap { $0["name"]?.string } ?? []
                    #expect(parameters.contains("Idempotency-Key"), "\(method) \(path)")
                }
            }
            let driven = await driver.driven
            #expect(driven == changing, "routes that this test does not drive, or that are gone")
        }
    }

    private func content(_ ada: User, _ driver: Driver) async throws {
        let fields = #"{"fields": [{"name": "title", "type": "text"}]}"#
        let made = try await driver.twice(
            "putContentType", ada, "PUT", "/content/types/page", fields, other: #"{"fields": []}"#)
        #expect(made.status == 201, "it would be 200 if it had been done again")
        let item = try await driver.twice(
            "putItem", ada, "PUT", "/content/types/page/items/one", #"{"title": "One"}"#, other: #"{"title": "Two"}"#)
        #expect(item.status == 201)
        let lines = (0..<5000).map { "p\($0),Title \($0)\n" }.joined()
        let stored = try await driver.twice(
            "uploadItems", ada, "POST", "/content/types/page/items", "id,title\n" + lines, type: "text/csv",
            other: "id,title\n" + lines + "x,y\n")
        #expect(try stored.json()["inserted"]?.integer == 5000)
        try await ada.makeArticles(3)
    }

    /// - Returns: an export that was cancelled.
    private func exports(_ ada: User, _ driver: Driver) async throws -> String {
        let request = #"{"contentType": "article", "format": "csv"}"#
        let total = try #require(try await ada.get("/content/export").json()["total"]?.integer)
        let started = try await driver.twice(
            "startExport", ada, "POST", "/content/export", request, other: #"{"contentType": "article", "format": "json"}"#)
        #expect(try await ada.get("/content/export").json()["total"]?.integer == total + 1)
        let id = try #require(try started.json()["jobId"]?.string)
        try await driver.twice("cancelExport", ada, "POST", "/content/export/\(id)/cancel")
        #expect(try await ada.post("/content/export/\(id)/cancel").status == 409, "without the key it is another request")
        return id
    }

    private func controls(_ id: String, _ ada: User, _ driver: Driver) async throws {
        try await driver.twice("retryJob", ada, "POST", "/jobs/\(id)/retry")
        try await driver.twice("pauseJob", ada, "POST", "/jobs/\(id)/pause")
        try await driver.twice("resumeJob", ada, "POST", "/jobs/\(id)/resume")
        try await driver.twice("cancelJob", ada, "POST", "/jobs/\(id)/cancel")
    }

    private func imports(_ ada: User, _ driver: Driver) async throws {
        let rows = try await driver.twice(
            "startImport", ada, "POST", "/content/import?contentType=article", "id,title\nn,New\n", type: "text/csv",
            other: "id,title\nn,Other\n")
        #expect(try await ada.get("/content/import").json()["total"]?.integer == 1)
        let importID = try #require(try rows.json()["jobId"]?.string)
        try await driver.twice("cancelImport", ada, "POST", "/content/import/\(importID)/cancel")
    }

    private func auditLog(_ ada: User, _ driver: Driver) async throws {
        let event = #"{"user": "bob", "action": "LOGIN", "at": "2026-11-22T09:30:00Z", "target": "app"}"#
        let appended = try await driver.twice(
            "appendAuditEvents", ada, "POST", "/audit-log/events", "[\(event)]", other: "[\(event), \(event)]")
        #expect(try appended.json()["stored"]?.integer == 1)
        let path = "/_api/v3/audit-log-bulk-export"
        let started = try await driver.twice(
            "startAuditExport", ada, "POST", path, #"{"filters": {}}"#, other: #"{"filters": {"actions": ["LOGIN"]}}"#)
        #expect(started.status == 201)
        #expect(try await ada.post(path, #"{"filters": {}}"#).status == 409, "without the key it is another request")
        let id = try #require(try started.json()["jobId"]?.string)
        try await driver.twice("cancelAuditExport", ada, "POST", "\(path)/\(id)/cancel")
        try await driver.twice("revokeAuditExport", ada, "DELETE", "\(path)/\(id)")
        let events = try await ada.get("/audit-log/events?usernames=bob").json()["events"]?.array
        #expect(events?.count == 1)
    }

    private func backups(_ ada: User, _ driver: Driver) async throws {
        let started = try await driver.twice("startBackup", ada, "POST", "/backup/schedule", "{}", other: #"{"blobs": false}"#)
        #expect(try await ada.get("/backup/jobs").json().array?.count == 2)
        let id = try #require(try started.json()["jobId"]?.string)
        try await driver.twice("cancelBackup", ada, "POST", "/backup/jobs/\(id)/cancel")
        try await driver.twice("removeBackup", ada, "DELETE", "/backup/jobs/\(id)")
        let made = try await ada.post("/backup/schedule", #"{"cron": "0 3 * * *"}"#)
        let schedule = try #require(try made.json()["scheduleId"]?.string)
        try await driver.twice("removeBackupSchedule", ada, "DELETE", "/backup/schedules/\(schedule)")
    }

    /// A backup is restored in the place of what it was made of.
    private func restores(_ ada: User, _ driver: Driver) async throws {
        let backup = try #require(try await ada.post("/backup/schedule").json()["jobId"]?.string)
        _ = try await poll("the backup") {
            try await ada.get("/backup/jobs/\(backup)").json()["status"]?.string == "completed" ? true : nil
        }
        try await driver.twice(
            "startDrill", ada, "POST", "/backup/drills", #"{"jobId": "\#(backup)"}"#, other: #"{"cron": "0 5 * * *"}"#)
        #expect(try await ada.get("/backup/drills").json().array?.count == 1)
        let opened = try await driver.twice(
            "openRestore", ada, "POST", "/backup/restores", #"{"mode": "replace"}"#, other: #"{"mode": "empty"}"#)
        #expect(try await ada.get("/backup/restores").json().array?.count == 1)
        let empty = try #require(try opened.json()["id"]?.string)
        try await driver.twice(
            "putRestoreDocument", ada, "PUT", "/backup/restores/\(empty)/documents/notices.csv", "a\r\n", type: "text/csv",
            other: "b\r\n")
        let digest = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
        try await driver.twice(
            "putRestoreBlob", ada, "PUT", "/backup/restores/\(empty)/documents/blobs/\(digest)", "hello",
            type: "application/octet-stream", other: "hallo")
        try await driver.twice("removeRestore", ada, "DELETE", "/backup/restores/\(empty)")
        let from = try await ada.post("/backup/restores", #"{"mode": "replace", "from": "\#(backup)"}"#)
        let id = try #require(try from.json()["id"]?.string)
        try await driver.twice("startRestore", ada, "POST", "/backup/restores/\(id)/start", "{}", other: #"{"dryRun": true}"#)
        _ = try await poll("the restore") {
            try await ada.get("/backup/restores/\(id)").json()["status"]?.string == "completed" ? true : nil
        }
        try await driver.twice("undoRestore", ada, "POST", "/backup/restores/\(id)/undo")
    }

    private func drive(_ ada: User, _ driver: Driver) async throws {
        for (path, suffix) in [("/api/files/upload", ""), ("/drive/files/upload", "ViaGateway")] {
            func request(_ text: String) -> String {
                let hash = SHA256.hash(data: Data(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
                return #"""
                    {"fileName": "a", "fileSize": \#(text.utf8.count), "contentType": "text/plain", "hash": "\#(hash)"}
                    """#
            }
            let words = "the bytes by \(path)"
            let made = try await driver.twice(
                "createUpload\(suffix)", ada, "POST", "\(path)/create", request(words), other: request("others"))
            let id = try #require(try made.json()["taskId"]?.string)
            let stored = try await driver.twice(
                "putChunk\(suffix)", ada, "POST", "\(path)/chunk/\(id)/0", words, type: "application/octet-stream",
                other: String(words.reversed()))
            #expect(try stored.json()["chunksUploaded"]?.integer == 1)
            try await driver.twice("completeUpload\(suffix)", ada, "POST", "\(path)/complete/\(id)")
            let open = try await ada.post("\(path)/create", request("to be cancelled by \(path)"))
            let task = try #require(try open.json()["taskId"]?.string)
            try await driver.twice("cancelUpload\(suffix)", ada, "DELETE", "\(path)/task/\(task)")
            let removed = try await driver.twice("cleanUpUploads\(suffix)", ada, "DELETE", "\(path)/tasks/cleanup")
            #expect(try removed.json()["removed"]?.integer == 1)
        }
        try await files(ada, driver)
        try await tus(ada, driver)
        for (path, suffix) in [("/api/files/resumable", ""), ("/drive/files/resumable", "ViaGateway")] {
            let more = [(name: "Upload-Complete", value: "?0")]
            let made = try await driver.twice("resumableCreate\(suffix)", ada, "POST", path, headers: more)
            let url = try #require(made["Location"])
            let some = try await driver.twice(
                "resumableAppend\(suffix)", ada, "PATCH", url, "some", type: "application/partial-upload",
                headers: more + [("Upload-Offset", "0")], other: "none")
            #expect(some["Upload-Offset"] == "4")
            try await driver.twice("resumableCancel\(suffix)", ada, "DELETE", url)
        }
    }

    private func tus(_ ada: User, _ driver: Driver) async throws {
        let version = [(name: "Tus-Resumable", value: "1.0.0")]
        let made = try await driver.twice(
            "tusCreate", ada, "POST", "/api/files/tus", headers: version + [("Upload-Length", "9")])
        let url = try #require(made["Location"])
        let some = try await driver.twice(
            "tusAppend", ada, "PATCH", url, "some", type: "application/offset+octet-stream",
            headers: version + [("Upload-Offset", "0")], other: "none")
        #expect(some["Upload-Offset"] == "4")
        let asked = try await driver.twice(
            "tusOverride", ada, "POST", url, headers: version + [("X-HTTP-Method-Override", "HEAD")])
        #expect(asked["Upload-Offset"] == "4")
        try await driver.twice("tusTerminate", ada, "DELETE", url, headers: version)
    }

    private func files(_ ada: User, _ driver: Driver) async throws {
        let file = try await driver.twice(
            "storeFile", ada, "POST", "/api/files?name=plain.txt", "plain", type: "text/plain", other: "other")
        let id = try #require(try file.json()["id"]?.string)
        #expect(try await ada.get("/api/files?name=plain").json().array?.count == 1)
        try await driver.twice(
            "changeFile", ada, "PATCH", "/api/files/\(id)", #"{"name": "b"}"#, other: #"{"name": "c"}"#)
        try await driver.twice("removeFile", ada, "DELETE", "/api/files/\(id)")
        let bundle = try await driver.twice(
            "createBundle", ada, "POST", "/api/bundles", #"{"name": "b"}"#, other: #"{"name": "c"}"#)
        #expect(try await ada.get("/api/bundles").json().array?.count == 1)
        try await driver.twice("removeBundle", ada, "DELETE", "/api/bundles/\(try #require(try bundle.json()["id"]?.string))")
        let pool = try await driver.twice(
            "createPool", ada, "POST", "/api/pools", #"{"name": "p"}"#, other: #"{"name": "q"}"#)
        let path = "/api/pools/\(try #require(try pool.json()["id"]?.string))"
        try await driver.twice("changePool", ada, "PUT", path, #"{"name": "r"}"#, other: #"{"name": "s"}"#)
        try await driver.twice("removePool", ada, "DELETE", path)
        try await driver.twice("setQuota", ada, "PUT", "/api/quota", #"{"bytes": 1000000}"#, other: #"{"bytes": 2000000}"#)
    }

    private func keys(_ ada: User, _ driver: Driver) async throws {
        let made = try await driver.twice(
            "createAPIKey", ada, "POST", "/apikeys", #"{"user": "robot", "roles": ["reader"]}"#,
            other: #"{"user": "robot", "roles": ["editor"]}"#)
        let key = try made.json()
        let secret = try #require(key["secret"]?.string)
        #expect(try await ada.get("/apikeys").json()["keys"]?.array?.count == 1)
        var robot = ada
        (robot.token, robot.apiSecret) = (nil, secret)
        #expect(try await robot.get("/content/types").status == 200)
        try await driver.twice("revokeAPIKey", ada, "DELETE", "/apikeys/\(try #require(key["id"]?.string))")
        #expect(try await robot.get("/content/types").status == 401)
    }

    @Test("a form that is sent again with another boundary is the same request")
    func form() async throws {
        try await withServer(isIdle: true, filesAreOnDisk: true) { server in
            let ada = try await server.newUser("editor")
            try await ada.makeArticles(1)
            func send(_ boundary: String, _ text: String = "id,title\nn,New\n") async throws -> RawResponse {
                let body =
                    "--\(boundary)\r\nContent-Disposition: form-data; name=\"form\"\r\n\r\n{\"contentType\": \"article\"}\r\n"
                    + "--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n\(text)\r\n"
                    + "--\(boundary)--\r\n"
                return try await ada.send(
                    "POST", "/content/import", Array(body.utf8), type: "multipart/form-data; boundary=\(boundary)",
                    headers: [("Idempotency-Key", "form")])
            }
            let first = try await send("one")
            #expect(first.status == 202, "\(first.text)")
            let again = try await send("two")
            #expect(again.body == first.body && again["Idempotent-Replayed"] == "true")
            #expect(try await send("three", "id,title\nn,Old\n").status == 422)
            let id = try #require(try first.json()["jobId"]?.string)
            _ = try await ada.wait(id, in: User.imports)
            #expect(try BlobFolder(server).files(below: "uploads").count <= 1, "what was sent again is not kept")
        }
    }

    @Test("a key whose answer holds a secret leaves none in the folder")
    func secret() async throws {
        try await withServer(isIdle: true) { server in
            let ada = try await server.user("ada", of: "acme", "admin")
            let body = #"{"user": "robot", "roles": ["reader"]}"#
            let made = try await ada.post("/apikeys", body, headers: [("Idempotency-Key", "k")])
            let secret = try #require(try made.json()["secret"]?.string)
            try await server.restart()
            #expect(try await ada.post("/apikeys", body, headers: [("Idempotency-Key", "k")]).body == made.body)
            await server.terminate()
            let names = try #require(FileManager.default.enumerator(atPath: server.data))
            for case let name as String in names {
                guard let bytes = FileManager.default.contents(atPath: server.data + "/" + name) else { continue }
                #expect(bytes.range(of: Data(secret.utf8)) == nil, "\(name)")
            }
            #expect(try await server.rows(with: secret) == [:])
            try await server.start()
        }
    }
}
