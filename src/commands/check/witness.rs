//! Watches a TLS handshake: which certificate was shown and whether ours was demanded, also where the handshake fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use crate::transport::tls::identity::provider;

/// What was seen of one handshake.
#[derive(Debug, Default)]
pub(super) struct Witness {
    certificate: OnceLock<CertificateDer<'static>>,
    demanded: AtomicBool,
}

impl Witness {
    /// The settings of one connection that this one watches. Certificates are verified as before, and shown every time.
    pub(super) fn watch(
        self: &Arc<Self>,
        config: &ClientConfig,
        roots: &Arc<RootCertStore>,
    ) -> Result<ClientConfig, String> {
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider())
            .build()
            .map_err(|error| error.to_string())?;
        let mut config = config.clone();
        config.resumption = Resumption::disabled();
        config.client_auth_cert_resolver = Arc::new(Own {
            inner: config.client_auth_cert_resolver.clone(),
            witness: self.clone(),
        });
        config
            .dangerous()
            .set_certificate_verifier(Arc::new(Verifier {
                inner: verifier,
                witness: self.clone(),
            }));
        Ok(config)
    }

    /// The certificate that the server showed.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.get()
    }

    /// Whether the server asked for ours.
    pub(super) fn demanded(&self) -> bool {
        self.demanded.load(Ordering::SeqCst)
    }
}

/// Leaves the judgement to rustls, and remembers what was judged.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    witness: Arc<Witness>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let _ = self
            .witness
            .certificate
            .set(end_entity.clone().into_owned());
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Gives the client's own certificate, and remembers that it was asked for.
#[derive(Debug)]
struct Own {
    inner: Arc<dyn ResolvesClientCert>,
    witness: Arc<Witness>,
}

impl ResolvesClientCert for Own {
    fn resolve(
        &self,
        root_hint_subjects: &[&[u8]],
        sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.witness.demanded.store(true, Ordering::SeqCst);
        self.inner.resolve(root_hint_subjects, sigschemes)
    }

    fn has_certs(&self) -> bool {
        // Otherwise rustls would not ask.
        true
    }
}
