import NIOSSL

extension S3Failure {
    /// Why there can be no TLS with a store as long as nothing is changed.
    /// - Returns: nil for an error that says nothing of that.
    static func tls(_ error: any Error) -> S3Failure? {
        switch error {
        case NIOSSLError.noSuchFilesystemObject, NIOSSLError.failedToLoadCertificate, is BoringSSLError:
            refusedTLS("the certificates of caFile can't be read")
        case NIOSSLError.handshakeFailed(let reason) where "\(reason)".contains("CERTIFICATE_VERIFY_FAILED"):
            refusedTLS("the store's TLS certificate is not trusted: it has expired, or who has signed it is not known here")
        case NIOSSLError.handshakeFailed(let reason) where "\(reason)".contains("WRONG_VERSION_NUMBER"):
            refusedTLS("the endpoint is https, and the store does not speak TLS there")
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            refusedTLS("the store's TLS certificate is for another host than the endpoint's")
        default: nil
        }
    }

    private static func refusedTLS(_ why: String) -> S3Failure { S3Failure(code: why, effect: .none, isTransient: false) }
}
