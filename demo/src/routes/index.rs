//! `GET /`: what the application offers.

use axum::response::Response;

use crate::html::{Framing, page as html_page};

const TITLE: &str = "Sample application";

const BODY: &str = "\
<h1>Sample application</h1>
<p class=\"meta\">Notebooks, samples and project runs, behind a gateway that knows who asks.</p>
<h2>Notebooks</h2>
<ul>
<li><code>/d/{id}[@{version}].js</code> a notebook as an ES module</li>
<li><code>/d/{id}[@{version}].tgz</code> the same as a package for <code>npm install</code></li>
<li><code>/embed/{id}[@{version}]</code> a notebook as a page, perhaps with <code>?cells=answer</code></li>
</ul>
<h2>API</h2>
<ul>
<li><code>GET /api/v1/account</code> who you are</li>
<li><code>GET /api/v1/samples</code> the public samples, and your own</li>
<li><code>GET /api/v1/samples/public</code> the public ones only</li>
<li><code>GET /api/v1/samples/{id}</code> one sample</li>
<li><code>GET /api/v1/projects/{id}/runs</code> a project's runs, newest first</li>
<li><code>POST /api/v1/projects/{id}/runs</code> a new run: <code>{\"name\": \"…\"}</code></li>
<li><code>POST /api/conat/hub</code>, <code>POST /api/conat/project</code> remote calls: <code>system.ping</code>, <code>system.test</code></li>
</ul>
<h2>For those who operate the site</h2>
<ul>
<li><code>GET /internal/runs</code> the runs of all projects</li>
<li><code>POST /internal/runs</code> a run of the site itself: <code>{\"project\": \"proj_…\", \"name\": \"…\"}</code></li>
</ul>
<p>These are not behind the gateway: the application asks about the key itself.</p>
<p>Send your key in the <code>Authorization</code> header, as <code>Bearer KEY</code> or <code>ApiKey KEY</code>.</p>
";

pub(crate) async fn page() -> Response {
    html_page(TITLE, BODY, Framing::Nobody)
}
