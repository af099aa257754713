use super::*;
use crate::testing::Scratch;

fn configured(config: &str) -> Result<(String, Vec<String>)> {
    let text = format!("{{\"rootfs\":{{\"diff_ids\":[]}},\"config\":{config}}}");
    let scratch = Scratch::new("application");
    let tree = Tree::open(scratch.path())?;
    let mut lines = Lines::new();
    let notes = configure(&Configuration::parse(text.as_bytes())?, &tree, &mut lines)?;
    assert!(!config.contains("Volumes") || scratch.path().join("srv/data").is_dir());
    Ok((lines.to_string(), notes))
}

#[test]
fn an_image_becomes_lines_of_a_configuration() {
    let (lines, notes) = configured(
        r#"{"User":"5:6","Env":["PATH=/bin","A=b c","bad","M=1\n2"],"Entrypoint":["/run","it's"],
            "Cmd":["-g","daemon off;"],"WorkingDir":"/srv","StopSignal":"SIGQUIT",
            "ExposedPorts":{"80/tcp":{},"x\ny":{}},"Volumes":{"/srv/data":{}}}"#,
    )
    .unwrap();
    assert_eq!(
        lines,
        "lxc.execute.cmd = /run 'it'\"'\"'s' -g 'daemon off;'\n\
         lxc.init.cmd = /run 'it'\"'\"'s' -g 'daemon off;'\n\
         lxc.environment = PATH=/bin\nlxc.environment = A=b c\n\
         lxc.init.cwd = /srv\nlxc.init.uid = 5\nlxc.init.gid = 6\nlxc.signal.halt = SIGQUIT\n\
         # listens on port 80/tcp\n# keeps data in /srv/data\n"
    );
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains("\"M\""));
}

#[test]
fn an_image_that_says_nothing_runs_a_shell() {
    for config in ["null", "{}", r#"{"Entrypoint":null,"Cmd":null,"Env":null}"#] {
        let (lines, notes) = configured(config).unwrap();
        assert!(lines.contains("lxc.execute.cmd = /bin/sh\n") && notes.is_empty(), "{lines}");
        assert!(lines.contains("lxc.init.uid = 0\n"));
    }
}

#[test]
fn nothing_in_an_image_becomes_another_line() {
    for config in [
        r#"{"Cmd":["a\nlxc.hook.pre-start = /evil"]}"#,
        r#"{"WorkingDir":"/\nlxc.hook.pre-start = /evil"}"#,
        r#"{"StopSignal":"SIGTERM\nlxc.hook.pre-start = /evil"}"#,
        r#"{"User":"0\nlxc.hook.pre-start = /evil"}"#,
    ] {
        assert!(configured(config).is_err(), "{config}");
    }
    let (lines, _) = configured(r#"{"Env":["A=1\rlxc.hook.pre-start = /evil"]}"#).unwrap();
    assert!(!lines.contains("hook"));
}
