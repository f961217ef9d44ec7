import HTTPTypes
import Web

/// A form in which clients speak the IETF's resumable uploads (draft-ietf-httpbis-resumable-upload). As long as it is a draft,
/// forms that differ have numbers, and who sends one speaks that form; the one without a number is the newest.
struct Interop: Sendable, Hashable {
    /// The field that tells an end.
    enum EndField: Sendable, Hashable { case complete, incomplete }
    /// What an answer's field of the end is about: the upload, or whether it is the file's own place that answers.
    enum Subject: Sendable, Hashable { case upload, answer }

    var number: Int64?
    var endField = EndField.complete
    var subject = Subject.answer
    /// Whether a request that says nothing of the end brings it.
    var endsUnasked = false
    /// Whether bytes that are appended have a media type of their own.
    var hasMediaType = true
    /// Whether bytes that are durable are told while more are coming.
    var tellsProgress = true
    /// The status of bytes that were appended and are not the last ones.
    var appended = 204
    /// What the limit of an upload's life is called; nil where limits are not told.
    var age: String?

    static let newest = Interop(age: "max-age")

    /// What is known, the newest first.
    static let forms: [Interop] = [
        newest,
        Interop(number: 9, age: "max-age"),
        Interop(number: 8, subject: .upload, age: "max-age"),
        Interop(number: 6, subject: .upload, endsUnasked: true, age: "expires"),
        Interop(number: 5, subject: .upload, endsUnasked: true, hasMediaType: false, appended: 201),
        Interop(
            number: 3, endField: .incomplete, subject: .upload, endsUnasked: true, hasMediaType: false, tellsProgress: false,
            appended: 201),
    ]

    /// The form that a request speaks. A number that nobody knows is as good as none.
    static func of(_ fields: HTTPFields) -> Interop {
        guard let number = StructuredField.integer(fields[values: ResumableFields.version]) else { return newest }
        return forms.first { $0.number == number } ?? newest
    }

    // MARK: Fields

    /// Whether a request says that it brings the last bytes; nil if it says nothing, or nothing that can be read.
    func isLast(_ fields: HTTPFields) -> Bool? {
        switch endField {
        case .complete: StructuredField.boolean(fields[values: ResumableFields.complete])
        case .incomplete: StructuredField.boolean(fields[values: ResumableFields.incomplete]).map { !$0 }
        }
    }

    /// Says of an answer whether it is the end.
    func tell(isEnd: Bool, in fields: inout HTTPFields) {
        switch endField {
        case .complete: fields[ResumableFields.complete] = isEnd ? "?1" : "?0"
        case .incomplete: fields[ResumableFields.incomplete] = isEnd ? "?0" : "?1"
        }
        if let number { fields[ResumableFields.version] = "\(number)" }
    }

    /// The same of an answer that is not the file's: it says how the upload is, or that it is not the end.
    func tell(of upload: Upload, in fields: inout HTTPFields) {
        tell(isEnd: subject == .upload && upload.status == .completed, in: &fields)
    }

    /// `Upload-Limit`; nil where limits are not told.
    func limits(bytesMax: Int64, secondsLeft: Int64) -> String? {
        age.map { "max-size=\(bytesMax), \($0)=\(max(0, secondsLeft))" }
    }
}

/// The header fields of resumable uploads.
enum ResumableFields {
    static let mediaType = "application/partial-upload"

    static let version = named("Upload-Draft-Interop-Version")
    static let complete = named("Upload-Complete")
    static let incomplete = named("Upload-Incomplete")
    static let offset = named("Upload-Offset")
    static let length = named("Upload-Length")
    static let limit = named("Upload-Limit")
    static let acceptPatch = named("Accept-Patch")

    static let interim = HTTPResponse.Status(code: 104, reasonPhrase: "Upload Resumption Supported")

    /// The texts are constants, so that an empty fallback is never seen.
    private static func named(_ text: String) -> HTTPField.Name { HTTPField.Name(text) ?? .via }

    /// A number from 0; nil if there is none that can be read.
    static func number(_ name: HTTPField.Name, in fields: HTTPFields) -> Int64? {
        StructuredField.integer(fields[values: name]).flatMap { $0 >= 0 ? $0 : nil }
    }
}
