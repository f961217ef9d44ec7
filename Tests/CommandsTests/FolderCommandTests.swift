import Foundation
import Synchronization
import Testing

@testable import Commands
@testable import WaybillClient

@Suite struct FolderCommandTests {
    /// A folder that keeps what was asked of it.
    final class FakeFolder: DataFolder {
        let asked = Mutex<[String]>([])
        var log: [String] { asked.withLock { $0 } }

        private func note(_ text: String) { asked.withLock { $0.append(text) } }

        func createAPIKey(_ request: APIKeyRequest) async throws -> WaybillAPIKey {
            let ttl = request.ttlSeconds.map { " \($0)s" } ?? ""
            note("create \(request.tenant ?? "") \(request.user) \(request.roles ?? []) \(request.scopes ?? [])\(ttl)")
            return WaybillAPIKey(id: "k1", secret: "s3cret")
        }
        func apiKeys(tenant: String) async throws -> [WaybillAPIKey] {
            note("list \(tenant)")
            return [
                WaybillAPIKey(id: "k1", name: "robot", tenant: tenant, user: "bot", roles: ["reader"], scopes: ["content:export"])
            ]
        }
        func revokeAPIKey(_ id: String, tenant: String) async throws {
            note("revoke \(tenant) \(id)")
            if id == "none" { throw CommandFailure(.notFound, "no such key") }
        }
        func tenants() async throws -> [WaybillTenant] { [WaybillTenant(name: "acme", state: "active")] }
        func deleteTenant(_ name: String) async throws -> WaybillJob {
            note("delete \(name)")
            return WaybillJob(jobId: "j9", state: .pending)
        }
        func close() async throws { note("close") }
    }

    func run(_ line: [String], _ folder: FakeFolder = FakeFolder()) async -> (CommandBench.Ran, [String]) {
        var actions = ServerActions.live
        actions.openFolder = { _ in folder }
        return (await CommandBench().run(line, actions: actions), folder.log)
    }

    @Test("a key is made in the folder, and its secret alone is the result")
    func create() async {
        let (ran, log) = await run([
            "apikey", "create", "--data", "d", "--tenant", "acme", "--user", "bot", "--role", "reader", "--scope", "a:b",
        ])
        #expect(ran.status == 0)
        #expect(ran.output == "s3cret\n")
        #expect(log == [#"create acme bot ["reader"] ["a:b"]"#, "close"])
    }

    @Test("a key is made for a time, in the folder and at a server; one for no time or for ever so long is not")
    func ttl() async {
        let line = ["apikey", "create", "--tenant", "acme", "--user", "bot", "--role", "reader", "--ttl"]
        #expect(await run(line + ["90d"]).1 == [#"create acme bot ["reader"] [] 7776000s"#, "close"])
        for wrong in ["soon", "0", "3651d"] {
            let (ran, log) = await run(line + [wrong])
            #expect(ran.status == 2 && log.isEmpty, "\(wrong)")
        }
        let body = Mutex("")
        let ran = await CommandBench().run(line + ["1h", "--url", "http://h"]) { request in
            if case .bytes(let bytes) = request.body { body.withLock { $0 = String(decoding: bytes, as: UTF8.self) } }
            return (201, [:], #"{"id":"k1","secret":"s3cret","expiresAt":"2026-03-01T10:00:00.000Z"}"#)
        }
        #expect(ran.output == "s3cret\n")
        #expect(body.withLock { $0 }.contains(#""ttlSeconds":3600"#))
    }

    @Test("a key that may do nothing is not made")
    func emptyKey() async {
        let (ran, log) = await run(["apikey", "create", "--tenant", "acme", "--user", "bot"])
        #expect(ran.status == 2)
        #expect(log.isEmpty)
    }

    @Test("keys are listed")
    func list() async {
        let (ran, log) = await run(["apikey", "list", "--tenant", "acme"])
        #expect(ran.output.contains("k1  acme    bot   reader,content:export  robot"))
        #expect(log == ["list acme", "close"])
    }

    @Test("the folder is closed also after an error, which decides the status")
    func unknownKey() async {
        let (ran, log) = await run(["apikey", "revoke", "none"])
        #expect(ran.status == 5)
        #expect(ran.trouble == "waybill: no such key\n")
        #expect(log == ["revoke default none", "close"])
    }

    @Test("with --url the server is asked, with a token of the folder's key")
    func remote() async {
        var actions = ServerActions.live
        actions.signToken = { _, order in "\(order.tenant):\(order.roles)" }
        let bench = CommandBench()
        let ran = await bench.run(
            ["apikey", "revoke", "k", "--url", "http://h", "--data", "d", "--tenant", "acme"], actions: actions,
            server: { _ in (204, [:], "") })
        #expect(ran.status == 0)
        #expect(bench.requests == ["DELETE http://h/apikeys/k"])
        #expect(bench.tokens == [#"Bearer acme:["admin"]"#])
        _ = await bench.run(
            ["tenant", "list", "--url", "http://h", "--data", "d"], actions: actions,
            server: { _ in (200, [:], #"{"tenants":[]}"#) })
        #expect(bench.tokens.last == #"Bearer default:["system"]"#)
    }

    @Test("a tenant is erased only when its name is given twice")
    func erase() async {
        let (refused, untouched) = await run(["tenant", "delete", "acme", "--confirm", "acne"])
        #expect(refused.status == 2)
        #expect(untouched.isEmpty)
        let (ran, log) = await run(["tenant", "delete", "acme", "--confirm", "acme"])
        #expect(ran.output == "acme: erased by job j9\n")
        #expect(log == ["delete acme", "close"])
    }

    @Test("tenants are listed")
    func tenants() async {
        #expect(await run(["tenant", "list"]).0.output == "TENANT  STATE\nacme    active\n")
    }
}
