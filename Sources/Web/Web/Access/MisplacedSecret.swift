import HTTPTypes
import Hummingbird

/// What can be told to one whose secret came in the wrong place, or who sent something else in its place.
enum MisplacedSecret {
    /// Fields in which other services take keys.
    private static let fields = ["ApiKey", "X-API-Key", "Api-Key"]
    /// How much of a secret that is not known an answer repeats.
    static let lettersShown = 10

    /// The field in which a key came that belongs in `ApiSecret`.
    static func field(of request: Request) -> String? {
        fields.first { name in HTTPField.Name(name).map { request.headers.contains($0) } ?? false }
    }

    static func problem(in field: String) -> Problem {
        Problem.unauthorized("the secret belongs in the field ApiSecret, not in \(field)", error: "invalid_request")
    }

    /// - Throws: a 401 problem for what is no secret at all.
    static func check(_ secret: String) throws {
        if secret.contains(":public:") {
            throw Problem.unauthorized("the field ApiSecret holds a public key; the secret one is needed", error: "invalid_token")
        }
        if secret.hasPrefix("register_") || secret.hasPrefix("verify_") {
            throw Problem.unauthorized(
                "the field ApiSecret holds a token of another use; the secret is needed", error: "invalid_token")
        }
    }

    /// The first characters of a secret that nobody knows.
    static func shown(_ secret: String) -> String {
        let start = String(secret.prefix(lettersShown))
        return secret.count > lettersShown ? start + "…" : start
    }
}
