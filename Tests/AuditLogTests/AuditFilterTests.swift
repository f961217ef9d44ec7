import AuditTrail
import Testing
import WaybillEngine
import Web

@testable import AuditLog

@Suite struct AuditFilterTests {
    private func filter(_ json: String) throws -> AuditFilter {
        try AuditFilterBody.checked(Array(json.utf8)).filter()
    }

    @Test("a day is meant whole, in UTC, at both ends")
    func days() throws {
        let filter = try filter(#"{"dates": {"start": "2024-01-01", "end": "2024-01-02"}}"#)
        #expect(filter.from?.microseconds == 1_704_067_200_000_000)
        #expect(filter.through?.microseconds == 1_704_239_999_999_999)
    }

    @Test("the same in another order, written twice, or in another zone is the same filter")
    func canonical() throws {
        let one = try filter(#"{"usernames": ["b", "a"], "dateFrom": "2024-01-01T01:00:00+01:00"}"#)
        let other = try filter(
            #"{"dates": {"start": "2024-01-01T00:00:00.000Z"}, "usernames": ["a", "b", "a"], "actions": null}"#)
        #expect(one == other)
        #expect(try filter("{}").selectsAll)
    }

    @Test(
        "what is wrong is a 400 that names it",
        arguments: [
            (#"[]"#, "body"), (#"{"usernames": [1]}"#, "usernames"), (#"{"usernames": []}"#, "usernames"),
            (#"{"usernames": [""]}"#, "usernames"), (#"{"actions": "x"}"#, "actions"), (#"{"users": ["a"]}"#, "users"),
            (#"{"dateFrom": "yesterday"}"#, "dateFrom"), (#"{"dates": {"end": "2024-02-30"}}"#, "dates.end"),
            (#"{"dates": {"start": "2024-01-02", "end": "2024-01-01"}}"#, "dates"),
            (#"{"dateFrom": "2024-01-02T00:00:00Z", "dateTo": "2024-01-01T23:59:59Z"}"#, "dateFrom"),
            (#"{"dateFrom": "2024-01-02", "dates": {"start": "2024-01-02"}}"#, "dates.start"),
        ])
    func refused(json: String, field: String) throws {
        let problem = try #require(throws: Problem.self) { try filter(json) }
        #expect(problem.kind.status == 400)
        #expect(problem.detail.contains(field), "\(problem.detail)")
    }

    @Test("a start at the end's own instant is allowed")
    func sameInstant() throws {
        #expect(try filter(#"{"dateFrom": "2024-01-02", "dateTo": "2024-01-02T00:00:00Z"}"#).from != nil)
    }
}
