<?php
/*
 * An upload that asks nobody to log in, shaped like CVE-2020-25213. For the demo alone: it keeps
 * small files of harmless names in ../files, which the web server hands out as text and never runs.
 */
if (($_POST['cmd'] ?? '') !== 'upload' || empty($_FILES['upload']['name'])) {
    http_response_code(400);
    exit('{"error":["errUnknownCmd"]}');
}
$folder = dirname(__DIR__) . '/files';
$added = array();
foreach ($_FILES['upload']['name'] as $index => $name) {
    $harmless = preg_match('/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/', $name) && $_FILES['upload']['size'][$index] <= 4096;
    if (!$harmless || count(glob($folder . '/*')) >= 16) {
        http_response_code(400);
        exit('{"error":["errInvName"]}');
    }
    move_uploaded_file($_FILES['upload']['tmp_name'][$index], $folder . '/' . $name);
    $added[] = array('name' => $name, 'size' => $_FILES['upload']['size'][$index]);
}
header('Content-Type: application/json');
echo json_encode(array('added' => $added));
