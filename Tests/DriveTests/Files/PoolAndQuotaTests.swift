import HTTPTypes
import Testing
import WaybillEngine
import WaybillEngineTesting
import Web

@testable import Drive

@Suite struct PoolAndQuotaTests {
    private func limit(_ asking: Asking, _ body: String) async throws {
        let answer = try await asking.json(.put, "/api/quota", body, user: "root", roles: ["admin"])
        #expect(answer.status == 200, "\(answer.text)")
    }

    @Test("room is reserved at the beginning, used at the end, and given back with the file")
    func accounting() async throws {
        let file = TestFile(1500)
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            func held() async throws -> [Int64?] {
                let account = try await asking.get("/api/quota").json["account"]
                return ["used", "reserved", "usedFiles", "reservedFiles"].map { account?[$0]?.integer }
            }
            #expect(try await held() == [0, 0, 0, 0])
            let task = try await asking.create(file)
            #expect(try await held() == [0, 1500, 0, 1])
            for index in 0..<2 { try await asking.put(file.chunk(index), index, of: task) }
            #expect(try await asking.complete(task).status == 200)
            #expect(try await held() == [1500, 0, 1, 0])
            let second = try await asking.create(TestFile(700))
            _ = try await asking.send(.delete, "\(Asking.path)/task/\(second)")
            #expect(try await held() == [1500, 0, 1, 0])
            #expect(try await asking.send(.delete, "/api/files/\(task)").status == 204)
            #expect(try await held() == [0, 0, 0, 0])
        }
        try await door.checkQuota()
    }

    @Test("full, it is a 403 with what is used, reserved and allowed, and no upload", arguments: [#""account": "ann", "#, ""])
    func full(whose: String) async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            try await limit(asking, #"{\#(whose)"bytes": 2000, "files": 3}"#)
            #expect(try await asking.upload(TestFile(900)).status == 200)
            _ = try await asking.create(TestFile(1000, seed: 2))
            let body = asking.createBody(TestFile(101, seed: 3))
            let refused = try await asking.json(.post, "\(Asking.path)/create", body)
            #expect(refused.status == 403 && refused.code == "QUOTA_FULL")
            #expect(refused.number("used") == 900 && refused.number("reserved") == 1000 && refused.number("limit") == 2000)
            #expect(
                try await asking.json(.post, "\(Asking.path)/create", asking.createBody(TestFile(100, seed: 3))).status == 200)
            let fourth = try await asking.json(.post, "\(Asking.path)/create", asking.createBody(TestFile(0 + 1, seed: 4)))
            #expect(fourth.status == 403)
            let plain = try await asking.send(.post, "/api/files?name=a", TestFile(10).bytes, media: "a/b")
            #expect(plain.status == 403)
            try await limit(asking, #"{\#(whose)"bytes": null}"#)
            #expect(try await asking.json(.post, "\(Asking.path)/create", body).status == 200)
        }
        #expect(try await door.count("SELECT count(*) FROM drive_uploads") == 4)
        try await door.checkQuota()
    }

    @Test("fifty uploads at once never have more than there is")
    func crowd() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            try await limit(asking, #"{"bytes": 10000}"#)
            let begun = try await withThrowingTaskGroup(of: Int.self) { group in
                for seed in 0..<50 as Range<UInt64> {
                    group.addTask {
                        let body = asking.createBody(TestFile(1000, seed: seed))
                        return try await asking.json(.post, "\(Asking.path)/create", body).status
                    }
                }
                return try await group.reduce(into: 0) { $0 += $1 == 200 ? 1 : 0 }
            }
            #expect(begun == 10)
            let held = try await asking.get("/api/quota").json["tenant"]
            #expect(held?["reserved"]?.integer == 10_000 && held?["limit"]?.integer == 10_000)
        }
        try await door.checkQuota()
    }

    @Test("a form, whose length nobody knows, is charged as it comes and refused when the room is used up")
    func unknownLength() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            try await limit(asking, #"{"bytes": 3000}"#)
            let (media, fits) = asking.form([("file", TestFile(2500).bytes)])
            #expect(try await asking.send(.post, "/api/files", fits, media: media).status == 201)
            let (_, more) = asking.form([("file", TestFile(600).bytes)])
            #expect(try await asking.send(.post, "/api/files", more, media: media).status == 403)
        }
        try await door.checkQuota()
        #expect(try await door.stored() == (1, 0))
    }

    @Test("only an admin sets quotas and pools, and what makes no sense is a 400")
    func rights() async throws {
        try await DriveDoor().serve { asking async throws in
            #expect(try await asking.json(.put, "/api/quota", #"{"bytes": 1}"#).status == 403)
            #expect(try await asking.json(.post, "/api/pools", #"{"name": "p"}"#).status == 403)
            for body in [#"{"bytes": -1}"#, #"{"files": 1.5}"#, #"{"account": ""}"#, #"{"colour": 1}"#] {
                #expect(try await asking.json(.put, "/api/quota", body, roles: ["admin"]).status == 400, "\(body)")
            }
            for body in [
                #"{"name": ""}"#, #"{}"#, #"{"name": "p", "maxFileSize": 0}"#, #"{"name": "p", "acceptTypes": ["image"]}"#,
                #"{"name": "p", "acceptTypes": ["a/b c"]}"#, #"{"name": "p", "costFactor": -1}"#,
                #"{"name": "p", "costFactor": 1e999}"#,
            ] {
                #expect(try await asking.json(.post, "/api/pools", body, roles: ["admin"]).status == 400, "\(body)")
            }
        }
    }

    @Test("a pool keeps its rules: types, lengths and cost")
    func pools() async throws {
        let door = try await DriveDoor()
        try await door.serve { asking async throws in
            let standard = try await asking.get("/api/pools")
            #expect(standard.array.count == 1 && standard.array.first?["default"] == true)
            let made = try await asking.json(
                .post, "/api/pools",
                #"{"name": "pictures", "maxFileSize": 2000, "acceptTypes": ["image/*"], "costFactor": 0.5, "default": true}"#,
                roles: ["admin"])
            #expect(made.status == 201, "\(made.text)")
            let pool = try #require(made["id"])
            #expect(try await asking.get("/api/pools").array.count { $0["default"] == true } == 1)
            let text = try await asking.json(.post, "\(Asking.path)/create", asking.createBody(TestFile(10)))
            #expect(text.status == 403 && text.code == "TYPE_NOT_ACCEPTED")
            func picture(_ size: Int) -> String {
                asking.createBody(TestFile(size)).replacing("text/plain", with: "image/png")
            }
            #expect(try await asking.json(.post, "\(Asking.path)/create", picture(2001)).status == 413)
            #expect(try await asking.json(.post, "\(Asking.path)/create", picture(1001)).status == 200)
            #expect(try await asking.get("/api/quota").json["account"]?["reserved"]?.integer == 501)
            let admin: Set<String> = ["admin"]
            #expect(try await asking.send(.delete, "/api/pools/\(pool)", roles: admin).status == 409)
            let back = try await asking.json(
                .put, "/api/pools/\(Pool.standardID)", #"{"name": "default", "default": true}"#, roles: admin)
            #expect(back.status == 200)
            #expect(try await asking.send(.delete, "/api/pools/\(pool)", roles: admin).status == 409, "an upload is in it")
            let task = try #require(try await asking.get("\(Asking.path)/tasks").array.first?["taskId"]?.string)
            _ = try await asking.send(.delete, "\(Asking.path)/task/\(task)")
            #expect(try await asking.send(.delete, "/api/pools/\(pool)", roles: admin).status == 204)
            #expect(try await asking.get("/api/pools/\(pool)").status == 404)
            #expect(try await asking.send(.delete, "/api/pools/\(Pool.standardID)", roles: admin).status == 409)
        }
        try await door.checkQuota()
    }
}
