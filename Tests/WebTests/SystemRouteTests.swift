import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Synchronization
import Testing
import WaybillEngine

@testable import Web

@Suite struct SystemRouteTests {
    private struct Broken: Error {}

    private final class Box: Sendable {
        let isBroken = Mutex(false)
        let asked = Mutex(0)
    }

    private func mount(_ test: TestFloor, checks: [HealthBoard.Check] = []) -> (RouteCatalog) -> Void {
        { catalog in
            let health = HealthBoard(time: test.time, checks: checks)
            SystemRoutes(test.floor, health: health, version: BuildVersion(version: "1.2.3")).mount(catalog)
            SessionRoutes(test.floor).mount(catalog)
        }
    }

    @Test("the process lives, says its version, and is ready when all its parts are")
    func ready() async throws {
        let test = try await TestFloor()
        let box = Box()
        let check = HealthBoard.Check("database") {
            box.asked.withLock { $0 += 1 }
            if box.isBroken.withLock({ $0 }) { throw Broken() }
        }
        try await test.serve(mount(test, checks: [check])) { client async throws in
            #expect(try await client.get("/livez").status == .ok)
            #expect(try await client.get("/version").json()["version"]?.string == "1.2.3")
            for _ in 0..<50 { #expect(try await client.get("/readyz").status == .ok) }
            #expect(box.asked.withLock { $0 } == 1)
            box.isBroken.withLock { $0 = true }
            #expect(try await client.get("/readyz").status == .ok)
            test.time.advance(.seconds(1))
            let broken = try await client.get("/readyz")
            #expect(broken.status == .serviceUnavailable)
            #expect(broken.headers[.retryAfter] == "1")
            #expect(try broken.json()["failing"] == ["database"])
            #expect(try await client.get("/livez").status == .ok)
        }
    }

    @Test("metrics are for the installation only, and speak of routes, never of paths")
    func metrics() async throws {
        let test = try await TestFloor()
        test.floor.metrics.gauge("waybill_queue", "Waiting jobs.", labels: ["kind"]) { [.init(3, labels: ["a\"b\n"])] }
        try await test.serve(mount(test)) { client async throws in
            _ = try await client.get("/secret-path")
            _ = try await client.execute(uri: "/livez", method: try #require(.init("BREW")))
            _ = try await client.get("/livez")
            #expect(try await client.get("/metrics").status == .unauthorized)
            #expect(try await client.get("/metrics", try test.bearer(roles: ["admin"])).status == .forbidden)
            let answer = try await client.get("/metrics", try test.bearer(roles: ["system"]))
            #expect(answer.status == .ok)
            #expect(answer.headers[.contentType]?.hasPrefix("text/plain; version=0.0.4") == true)
            #expect(answer.text.contains("waybill_http_requests_total{method=\"GET\",route=\"/livez\",status=\"200\"} 1\n"))
            #expect(answer.text.contains("waybill_http_requests_total{method=\"GET\",route=\"-\",status=\"404\"} 1\n"))
            #expect(answer.text.contains("waybill_http_requests_total{method=\"other\",route=\"-\",status=\"405\"} 1\n"))
            #expect(answer.text.contains("waybill_http_request_seconds_bucket{route=\"/livez\",le=\"+Inf\"} 1\n"))
            #expect(answer.text.contains("waybill_queue{kind=\"a\\\"b\\n\"} 3\n"))
            #expect(!answer.text.contains("secret-path"))
        }
    }

    @Test("a family's series are bounded")
    func series() async {
        let registry = MetricsRegistry(seriesMax: 3)
        let counter = registry.counter("x_total", "x", labels: ["a"])
        for number in 0..<100 { counter.add(1, "\(number)") }
        counter.add(1, "too", "many", "labels")
        let lines = await registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(lines == ["x_total{a=\"0\"} 1", "x_total{a=\"1\"} 1", "x_total{a=\"2\"} 1", "x_total{a=\"other\"} 97"])
    }

    @Test("a code signs in once, within ten minutes")
    func signIn() async throws {
        let test = try await TestFloor()
        let ticket = SignInCodes.Ticket(tenant: try #require(TenantID("acme")), user: "root", roles: ["admin", "system"])
        func code() -> String { test.floor.codes.make(for: ticket, random: test.floor.random(32), now: test.time.now()) }
        let (good, late) = (code(), code())
        try await test.serve(mount(test)) { client async throws in
            let answer = try await client.post("/session", json: "{\"code\":\"\(good)\"}")
            #expect(answer.status == .ok)
            let json = try answer.json()
            #expect(json["user"] == "root")
            #expect(json["tenant"] == "acme")
            #expect(json["roles"] == ["admin", "system"])
            #expect(json["expiresAt"] == "2026-11-22T12:00:00.000Z")
            let token = try #require(json["token"]?.string)
            #expect(try await client.get("/metrics", [.authorization: "Bearer \(token)"]).status == .ok)
            test.time.advance(SignInCodes.lifetime)
            for bad in [good, late, "", "x"] {
                let refused = try await client.post("/session", json: "{\"code\":\"\(bad)\"}")
                #expect(refused.status == .unauthorized)
                #expect(refused.headers[.wwwAuthenticate] != nil)
            }
        }
    }
}
