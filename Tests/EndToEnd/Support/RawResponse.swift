import Foundation
import Testing

/// An answer as it came over the wire.
struct RawResponse: Sendable {
    var status = 0
    var headers: [(name: String, value: String)] = []
    var body: [UInt8] = []

    /// All values of a field, joined as RFC 9110 has it; nil if it is not there.
    subscript(name: String) -> String? {
        let values = headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: ", ")
    }

    var text: String { String(decoding: body, as: UTF8.self) }

    func json() throws -> JSON {
        do {
            return try JSON(body)
        } catch {
            throw E2EError("no JSON in the answer \(status): \(text.prefix(500))")
        }
    }

    /// What must hold of every refusal: RFC 9457 with our members, and nothing of our inside.
    func checkProblem(_ request: String, hasBody: Bool, sourceLocation: SourceLocation) {
        guard status >= 400 else { return }
        let what = Comment(rawValue: "\(request) answered \(status): \(text.prefix(600))")
        #expect(self["Content-Type"] == "application/problem+json", what, sourceLocation: sourceLocation)
        // What is refused before its head has been read is no request yet, and has neither id nor address.
        let isRequest = status != 431 && status != 414
        if isRequest { #expect(self["X-Request-ID"]?.isEmpty == false, what, sourceLocation: sourceLocation) }
        if status == 401 { #expect(self["WWW-Authenticate"] != nil, what, sourceLocation: sourceLocation) }
        if status == 405 { #expect(self["Allow"] != nil, what, sourceLocation: sourceLocation) }
        if status == 429 || status == 503 { #expect(self["Retry-After"] != nil, what, sourceLocation: sourceLocation) }
        #expect(status < 500 || status == 503, what, sourceLocation: sourceLocation)
        guard hasBody else { return }
        guard let problem = try? JSON(body) else {
            Issue.record(what, sourceLocation: sourceLocation)
            return
        }
        for member in ["type", "title", "code", "message", "detail", "requestId"] + (isRequest ? ["instance"] : []) {
            #expect(problem[member]?.string?.isEmpty == false, "\(member) is missing: \(what)", sourceLocation: sourceLocation)
        }
        #expect(problem["status"]?.integer == status, what, sourceLocation: sourceLocation)
        #expect(problem["requestId"]?.string == self["X-Request-ID"], what, sourceLocation: sourceLocation)
        #expect(
            problem["code"]?.string?.allSatisfy { $0.isUppercase || $0.isNumber || $0 == "_" } == true, what,
            sourceLocation: sourceLocation)
        let said = (problem["message"]?.string ?? "") + (problem["detail"]?.string ?? "") + (problem["title"]?.string ?? "")
        for inside in [
            "SELECT ", "INSERT ", "sqlite", "GRDB", ".swift", "/tmp/", "waybill.db", "Error Domain", "Swift.", "errno",
        ] {
            #expect(!said.contains(inside), "an answer tells \(inside): \(what)", sourceLocation: sourceLocation)
        }
    }
}

struct E2EError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) {
        self.description = description
    }
}
