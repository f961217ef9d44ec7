import Foundation

/// What services answer that lend credentials for a time.
enum LentCredentials {
    private struct Document: Decodable {
        var AccessKeyId: String
        var SecretAccessKey: String
        var Token: String?
        var Expiration: String?
    }

    /// Of a container's platform.
    static func read(json: [UInt8]) -> S3Credentials? {
        // What it says may hold a secret, so that the reason is not told.
        guard let document = try? JSONDecoder().decode(Document.self, from: Data(json)) else { return nil }
        return credentials(document.AccessKeyId, document.SecretAccessKey, document.Token, document.Expiration)
    }

    /// Of the service that lends roles.
    static func read(xml: [UInt8]) -> S3Credentials? {
        guard let root = S3XML(xml), root.name == "AssumeRoleWithWebIdentityResponse",
            let lent = root.all("AssumeRoleWithWebIdentityResult").first?.all("Credentials").first,
            let id = lent["AccessKeyId"], let secret = lent["SecretAccessKey"]
        else { return nil }
        return credentials(id, secret, lent["SessionToken"], lent["Expiration"])
    }

    private static func credentials(_ id: String, _ secret: String, _ token: String?, _ expiration: String?) -> S3Credentials? {
        guard !id.isEmpty, !secret.isEmpty else { return nil }
        guard let expiration else { return S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token) }
        guard let end = CivilDate.microseconds(expiration) else { return nil }
        return S3Credentials(accessKeyID: id, secretAccessKey: secret, sessionToken: token, expiresAt: end)
    }
}
