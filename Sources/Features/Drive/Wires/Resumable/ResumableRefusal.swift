import HTTPTypes
import Web

/// How refusals are told by this protocol.
enum ResumableRefusal {
    private static let registry = "https://iana.org/assignments/http-problem-types#"
    private static let otherOffset = Problem.Kind(
        409, "OFFSET_MISMATCH", "The offset is another one", registered: registry + "mismatching-upload-offset")
    private static let otherLength = Problem.Kind(
        400, "LENGTH_INCONSISTENT", "The length is another one", registered: registry + "inconsistent-upload-length")

    /// Two lengths of one request, or of several, that are not the same.
    static func inconsistentLength(_ detail: String) -> Problem { Problem(otherLength, detail) }

    /// - Parameters:
    ///   - upload: which it is about, if it is there.
    ///   - provided: the offset of the request.
    ///   - limits: what the server allows.
    static func problem(
        _ error: any Error, _ interop: Interop, upload: Upload?, provided: Int64?, limits: String?
    ) -> Problem {
        var fields: HTTPFields = [:]
        let problem: Problem
        switch error {
        case UploadRefusal.wrongOffset(let expected):
            fields[ResumableFields.offset] = "\(expected)"
            problem = Problem(otherOffset, "bytes are taken from \(expected) on").with("expected-offset", .integer(expected))
                .with("provided-offset", provided.map { .integer($0) } ?? .null)
        case UploadRefusal.otherLength(let known): problem = inconsistentLength("it is \(known), as was said before")
        case UploadRefusal.tooLarge:
            if let limits { fields[ResumableFields.limit] = limits }
            problem = Problem(Problem.drive(error))
        default: problem = Problem(Problem.drive(error))
        }
        if case UploadRefusal.otherHash = error {
            // All has come, and what was made of it is told.
            interop.tell(isEnd: true, in: &fields)
        } else if let upload {
            interop.tell(of: upload, in: &fields)
        } else if let number = interop.number {
            fields[ResumableFields.version] = "\(number)"
        }
        return fields.reduce(problem) { $0.header($1.name, $1.value) }
    }
}
