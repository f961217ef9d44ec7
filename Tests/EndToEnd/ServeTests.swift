import Foundation
import Testing

@Suite struct ServeTests {
    @Test("it says where it listens, is alive and ready, and ends with status 0 when told to")
    func startAndStop() async throws {
        try await withServer { server in
            let nobody = User.nobody(server)
            for path in ["/livez", "/readyz", "/version", "/openapi.json"] {
                #expect(try await nobody.get(path).status == 200)
            }
            #expect(await server.terminate() == 0)
            try await server.start()
        }
    }

    @Test("the printed code signs in once")
    func signIn() async throws {
        try await withServer { server in
            let code = try #require(server.signInCode)
            let nobody = User.nobody(server)
            let answer = try await nobody.post("/session", #"{"code": "\#(code)"}"#)
            #expect(answer.status == 200)
            let token = try #require(try answer.json()["token"]?.string)
            let admin = User(server: server, tenant: "default", name: "admin", token: token)
            #expect(try await admin.get("/jobs").status == 200)
            #expect(try await nobody.post("/session", #"{"code": "\#(code)"}"#).status == 401)
            #expect(try await nobody.post("/session", #"{"code": "wrong"}"#).status == 401)
        }
    }

    @Test("a second server on the same folder is refused and says why, and the first goes on")
    func secondServer() async throws {
        try await withServer { server in
            let (status, output) = try await server.run(server.serveArguments)
            #expect(status == 1)
            #expect(output.contains("lock") || output.contains("another") || output.contains("in use"), "it said: \(output)")
            #expect(!output.contains("Fatal error"))
            #expect(try await User.nobody(server).get("/readyz").status == 200)
        }
    }

    @Test("a wrong setting is refused before anything is made")
    func wrongSetting() async throws {
        let folder = NSTemporaryDirectory() + "waybill-e2e-\(UUID().uuidString)"
        let (status, output) = try await ServerProcess.run(
            ["serve", "--data", folder, "--listen", "127.0.0.1:0", "--set", "engine.workers=many", "--set", "engine.wokers=2"])
        #expect(status == 2)
        #expect(output.contains("engine.workers") && output.contains("engine.wokers"), "it said: \(output)")
        #expect(!FileManager.default.fileExists(atPath: folder))
    }

    @Test("the data folder is its owner's only, and so is the key")
    func permissions() async throws {
        try await withServer { server in
            func mode(_ path: String) throws -> Int {
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                return (attributes[.posixPermissions] as? NSNumber)?.intValue ?? -1
            }
            let modes = try [mode(server.data), mode(server.data + "/signing.key")]
            #expect(modes == [0o700, 0o600])
        }
    }

    @Test("a token of another folder opens nothing")
    func foreignToken() async throws {
        try await withServer { server in
            let folder = server.folder + "/other"
            let (status, output) = try await ServerProcess.run(
                ["token", "--data", folder, "--tenant", "acme", "--user", "eve", "--role", "admin"])
            #expect(status == 0)
            let token = output.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(try await User(server: server, tenant: "acme", name: "eve", token: token).get("/jobs").status == 401)
        }
    }
}
